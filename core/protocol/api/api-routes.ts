/** The routes of the API that our pages and programs use, with the types of query, body and answer. Types only. */
import type { Credentials, PasswordChange, SessionAnswer, UserAnswer } from './account.ts';
import type { ChannelChange, ChannelCreation, OwnChannelDescription } from './channel-description.ts';
import type { ChannelHealth } from './channel-health.ts';
import type { CategoryList, ChannelList, ChannelListQuery } from './channel-list.ts';
import type { ChatRestrictionList } from './chat-restriction.ts';
import type { ChannelChatSettings, ChatSettingsChange } from './chat-settings.ts';
import type {
	ClipChange,
	ClipCreation,
	ClipDeletion,
	ClipList,
	ClipListQuery,
	ClipReport,
	CreatedClip,
	OwnClip,
} from './clip.ts';
import type { IngestAddresses } from './ingest-address.ts';
import type { LiveStoryboard } from './live-storyboard.ts';
import type { ModeratorList } from './moderator.ts';
import type { ServerTime } from './server-time.ts';
import type { NewStreamKey, StreamKeyCreation, StreamKeyList } from './stream-key.ts';
import type {
	OwnVideo,
	RecordingChange,
	RecordingStatus,
	VideoChange,
	VideoDeletion,
	VideoList,
	VideoListQuery,
} from './video.ts';

/** Method and address → query, body and answer; `undefined`: without content. */
export type ApiRoutes = {
	'POST /api/v1/users': { body: Credentials; answer: UserAnswer };
	'GET /api/v1/session': { answer: SessionAnswer };
	'POST /api/v1/session': { body: Credentials; answer: UserAnswer };
	'DELETE /api/v1/session': { answer: undefined };
	'PUT /api/v1/session/password': { body: PasswordChange; answer: undefined };
	'GET /api/v1/time': { answer: ServerTime };
	'GET /api/v1/categories': { answer: CategoryList };
	'GET /api/v1/channels': { query: ChannelListQuery; answer: ChannelList };
	'POST /api/v1/channels': { body: ChannelCreation; answer: OwnChannelDescription };
	'GET /api/v1/channels/:channel': { answer: OwnChannelDescription };
	'PATCH /api/v1/channels/:channel': { body: ChannelChange; answer: OwnChannelDescription };
	'GET /api/v1/channels/:channel/health': { answer: ChannelHealth };
	'GET /api/v1/channels/:channel/storyboard': { answer: LiveStoryboard };
	'POST /api/v1/channels/:channel/end': { answer: undefined };
	'GET /api/v1/channels/:channel/stream-keys': { answer: StreamKeyList };
	'POST /api/v1/channels/:channel/stream-keys': { body: StreamKeyCreation; answer: NewStreamKey };
	'POST /api/v1/channels/:channel/stream-keys/:key/rotate': { answer: NewStreamKey };
	'DELETE /api/v1/channels/:channel/stream-keys/:key': { answer: undefined };
	'GET /api/v1/channels/:channel/moderators': { answer: ModeratorList };
	'PUT /api/v1/channels/:channel/moderators/:user': { answer: undefined };
	'DELETE /api/v1/channels/:channel/moderators/:user': { answer: undefined };
	'GET /api/v1/channels/:channel/chat-settings': { answer: ChannelChatSettings };
	'PATCH /api/v1/channels/:channel/chat-settings': { body: ChatSettingsChange; answer: ChannelChatSettings };
	'GET /api/v1/channels/:channel/chat-restrictions': { answer: ChatRestrictionList };
	'DELETE /api/v1/channels/:channel/chat-restrictions/:user': { answer: undefined };
	'GET /api/v1/channels/:channel/videos': { query: VideoListQuery; answer: VideoList };
	'GET /api/v1/channels/:channel/recording': { answer: RecordingStatus };
	'PUT /api/v1/channels/:channel/recording': { body: RecordingChange; answer: RecordingStatus };
	'GET /api/v1/videos/:video': { answer: OwnVideo };
	'PATCH /api/v1/videos/:video': { body: VideoChange; answer: OwnVideo };
	'DELETE /api/v1/videos/:video': { answer: VideoDeletion };
	'GET /api/v1/channels/:channel/clips': { query: ClipListQuery; answer: ClipList };
	'POST /api/v1/clips': { body: ClipCreation; answer: CreatedClip };
	'GET /api/v1/clips/:clip': { answer: OwnClip };
	'PATCH /api/v1/clips/:clip': { body: ClipChange; answer: OwnClip };
	'DELETE /api/v1/clips/:clip': { answer: ClipDeletion };
	'POST /api/v1/clips/:clip/export': { answer: OwnClip };
	'POST /api/v1/clips/:clip/reports': { body: ClipReport; answer: undefined };
	'GET /api/v1/streams/ingest': { answer: IngestAddresses };
};

type Parameter<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
	? Name | Parameter<Rest>
	: Path extends `${string}:${infer Name}`
		? Name
		: never;

/** Query, body and path parameters of a route. */
export type ApiRequest<Route extends keyof ApiRoutes> = Omit<ApiRoutes[Route], 'answer'> &
	([Parameter<Route>] extends [never] ? unknown : { params: Record<Parameter<Route>, string> });
