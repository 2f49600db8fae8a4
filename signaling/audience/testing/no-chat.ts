/** A chat without messages, for tests of everything else on the socket. */
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { ChatMember, ChatRoom, ChatService } from '../../chat/store/chat-service.ts';

/** Keeps its members, so that a test can deliver frames to them. */
export class NoChat implements Pick<ChatService, 'open'> {
	readonly members = new Map<string, ChatMember>();
	openCount = 0;
	/** Members join as moderators. */
	canModerate = false;

	open(): ChatRoom {
		this.openCount++;
		return {
			join: async (member) => {
				this.members.set(member.id, member);
				return {
					history: [],
					hasGap: false,
					settings: { slowModeSeconds: 0, isAccountRequired: false },
					chatName: member.user?.name ?? null,
					canModerate: this.canModerate,
					chatRestriction: null,
					badges: [],
				};
			},
			leave: (memberId) => void this.members.delete(memberId),
			send: async (_memberId, { text }) => {
				if (text === 'refuse me') {
					throw new SpillwayError('CHAT_TOO_FAST', [3], { retryAfterSeconds: 3 });
				}
				return { messageId: '1-0', badges: [] };
			},
			moderate: async () => {
				throw new SpillwayError('CHAT_MODERATION_REFUSED', ['you are no moderator']);
			},
			close: () => void this.openCount--,
		};
	}
}
