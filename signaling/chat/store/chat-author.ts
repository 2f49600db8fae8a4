/** Describes a member as an author: name, colour, badges, and the marks by which a ban recognises them. */
import { createHmac } from 'node:crypto';
import { idTimeMs, type ChannelId } from '../../../core/ids.ts';
import { addressKey, isLoopback } from '../../../core/limits/address-key.ts';
import { GUEST_NAME_PREFIX } from '../../../core/protocol/signaling/signaling-constants.ts';
import type { ChatMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { ChatMember } from './chat-service.ts';
import type { User } from '../../accounts/user.ts';

/** WCAG relative luminance at which a colour has a contrast of over 4 : 1 to white and to near-black alike. */
const NAME_LUMINANCE = 0.185;
const NAME_SATURATION = 0.7;

export type ChatAuthor = {
	author: ChatMessage['author'];
	/** Undefined: a guest. */
	user: User | undefined;
	/**
	 * Marks for restrictions: the user's and the address's. A ban of a user also binds guests from the same address and
	 * accounts that are made there afterwards, but not older accounts behind that address.
	 */
	subjects: string[];
	/** Epoch ms; undefined for guests. */
	accountCreatedAtMs: number | undefined;
	/** The rate limits count guests with the same mark together; undefined for loopback, where a proxy serves all. */
	sharedMark: string | undefined;
	canModerate: boolean;
};

export type ChannelStaff = { ownerId: string | null; moderatorIds: ReadonlySet<string> };

/** The secret prevents guessing addresses from their hashes. */
export function describeAuthor(
	member: Pick<ChatMember, 'id' | 'user' | 'remoteAddress'>,
	channelId: ChannelId,
	staff: ChannelStaff,
	serverSecret: Uint8Array,
): ChatAuthor {
	const addressMark = `guest:${mark(serverSecret, `address ${channelId} ${addressKey(member.remoteAddress)}`)}`;
	const { user } = member;
	const id = user?.id ?? `guest-${mark(serverSecret, `guest ${member.id}`)}`;
	const name = user?.name ?? guestName(id);
	const badges = user === undefined ? [] : badgesOf(user, staff);
	const canModerate = badges.length > 0;
	return {
		author: { id, name, color: nameColor(id), badges },
		user,
		subjects: user === undefined ? [addressMark] : [`user:${user.id}`, addressMark],
		accountCreatedAtMs: user && idTimeMs(user.id),
		sharedMark: isLoopback(member.remoteAddress) ? undefined : addressMark,
		canModerate,
	};
}

/** True when one of these marks, each with the start of its restriction, prevents this author from writing. */
export function isBound(
	{ subjects: [own, address], accountCreatedAtMs = -Infinity }: Pick<ChatAuthor, 'subjects' | 'accountCreatedAtMs'>,
	restrictedSinceMs: ReadonlyMap<string, number>,
): boolean {
	return (
		restrictedSinceMs.has(own!) ||
		(address !== undefined && accountCreatedAtMs >= (restrictedSinceMs.get(address) ?? Infinity))
	);
}

export function badgesOf(user: User, staff: ChannelStaff): ChatMessage['author']['badges'] {
	const badges: ChatMessage['author']['badges'] = [];
	if (staff.ownerId === user.id) {
		badges.push('broadcaster');
	}
	if (user.role === 'admin') {
		badges.push('admin');
	}
	if (user.role === 'moderator' || staff.moderatorIds.has(user.id)) {
		badges.push('moderator');
	}
	return badges;
}

function mark(secret: Uint8Array, text: string): string {
	return createHmac('sha256', secret).update(`chat ${text}`).digest('base64url').slice(0, 22);
}

function guestName(guestId: string): string {
	let number = 0;
	for (const character of guestId) {
		number = (Math.imul(number, 31) + character.charCodeAt(0)) >>> 0;
	}
	return `${GUEST_NAME_PREFIX}${number.toString(36).padStart(7, '0').slice(-5)}`;
}

/** The same colour for the same id, readable on light and on dark. @internal for tests */
export function nameColor(id: string): string {
	let hash = 2_166_136_261;
	for (const character of id) {
		hash = Math.imul(hash ^ character.charCodeAt(0), 16_777_619) >>> 0;
	}
	const hue = hash % 360;
	let [low, high] = [0, 1];
	for (let round = 0; round < 12; round++) {
		const middle = (low + high) / 2;
		if (luminance(hslToRgb(hue, NAME_SATURATION, middle)) < NAME_LUMINANCE) {
			low = middle;
		} else {
			high = middle;
		}
	}
	const rgb = hslToRgb(hue, NAME_SATURATION, low);
	return `#${rgb.map((part) => Math.round(part * 255).toString(16).padStart(2, '0')).join('')}`; // prettier-ignore
}

function hslToRgb(hue: number, saturation: number, lightness: number): [number, number, number] {
	const chroma = saturation * Math.min(lightness, 1 - lightness);
	const part = (offset: number): number => {
		const position = (offset + hue / 30) % 12;
		return lightness - chroma * Math.max(-1, Math.min(position - 3, 9 - position, 1));
	};
	return [part(0), part(8), part(4)];
}

/** Relative luminance as WCAG 2 defines it, 0–1, of parts 0–1. @internal for tests */
export function luminance(rgb: readonly [number, number, number]): number {
	const [red, green, blue] = rgb.map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
	return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}
