/** Splits a chat message into plain text, emotes, links and mentions. Pure; the page escapes every piece. */
import type { ChatMessage } from '../../../../core/protocol/signaling/signaling-messages.ts';

/** A piece of a message. Joined, the `text` of all pieces is the message. */
type ChatPiece =
	| { kind: 'text'; text: string }
	| { kind: 'emote'; text: string; name: string }
	| { kind: 'link'; text: string; url: string }
	| { kind: 'mention'; text: string; isSelf: boolean };

/** Web addresses, which URL checks later, and mentions. No nested repetition: linear in the text. */
const TOKEN = /https?:\/\/[^\s<>"']+|@[A-Za-z0-9_-]{2,25}/gi;
/** Punctuation that ends a sentence rather than an address. */
const TRAILING = /[.,;:!?…»”’]+$/;

/** `ownName`: the viewer's, to highlight mentions of it; null when they have none. */
export function splitChatText(
	{ text, emotes }: Pick<ChatMessage, 'text' | 'emotes'>,
	ownName: string | null,
): ChatPiece[] {
	const pieces: ChatPiece[] = [];
	let position = 0;
	for (const emote of [...emotes].sort((a, b) => a.from - b.from)) {
		// Ignores emotes outside the text, or inside another emote.
		if (emote.from < position || emote.to <= emote.from || emote.to > text.length) {
			continue;
		}
		splitPlain(text.slice(position, emote.from), ownName, pieces);
		pieces.push({ kind: 'emote', text: text.slice(emote.from, emote.to), name: emote.name });
		position = emote.to;
	}
	splitPlain(text.slice(position), ownName, pieces);
	return pieces;
}

export function isMentioned(pieces: readonly ChatPiece[]): boolean {
	return pieces.some((piece) => piece.kind === 'mention' && piece.isSelf);
}

function splitPlain(text: string, ownName: string | null, pieces: ChatPiece[]): void {
	let position = 0;
	for (const match of text.matchAll(TOKEN)) {
		const piece = match[0].startsWith('@')
			? readMention(text, match.index, match[0], ownName)
			: readLink(trimAddress(match[0]));
		if (piece === undefined) {
			continue;
		}
		pushText(pieces, text.slice(position, match.index));
		pieces.push(piece);
		position = match.index + piece.text.length;
	}
	pushText(pieces, text.slice(position));
}

function pushText(pieces: ChatPiece[], text: string): void {
	if (text !== '') {
		pieces.push({ kind: 'text', text });
	}
}

function readMention(text: string, index: number, token: string, ownName: string | null): ChatPiece | undefined {
	// "name@host" is a mail address.
	if (index > 0 && /[A-Za-z0-9_.-]/.test(text[index - 1]!)) {
		return undefined;
	}
	return { kind: 'mention', text: token, isSelf: token.slice(1).toLowerCase() === ownName?.toLowerCase() };
}

/** A full stop, and the end of a bracket that was opened before the address, are not part of it. */
function trimAddress(token: string): string {
	let address = token.replace(TRAILING, '');
	while (address.endsWith(')') && address.split(')').length > address.split('(').length) {
		address = address.slice(0, -1).replace(TRAILING, '');
	}
	return address;
}

function readLink(address: string): ChatPiece | undefined {
	const url = URL.parse(address);
	// A user name before the host can disguise one site as another.
	if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
		return undefined;
	}
	return { kind: 'link', text: address, url: url.href };
}
