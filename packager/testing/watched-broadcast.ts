/** A simulated broadcast whose playlists are all checked, by our rules and by m3u8-parser. For tests. */
import { Parser } from 'm3u8-parser';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { Rung } from '../../core/media/rung.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { BroadcastPackager } from '../live/broadcast-packager.ts';
import { concatBytes } from '../cmaf/box-writer.ts';
import { defaultPackagerConfig, type PackagerConfig } from '../config/packager-config.ts';
import { formatMediaPlaylist } from '../playlist/media-playlist.ts';
import { multivariantPlaylistOf } from '../playlist/multivariant-playlist.ts';
import { findBox, readMp4, type ReadPacket } from './mp4-reader.ts';
import { inStepFaults, PlaylistSequenceChecker, siblingFaults } from './playlist-rules.ts';
import { seededRandom, SIMULATED_LADDER, SIMULATED_VIDEO, simulatedAudio, simulateRun } from './simulated-source.ts';

/** Epoch milliseconds at which second 1000 of {@link rtmpLike} was captured. */
export const CAPTURE_START_MS = Date.UTC(2026, 0, 1);
export const VIDEO_AND_AUDIO = new Map<TrackId, TrackConfig>([
	['video0', SIMULATED_VIDEO],
	['audio0', simulatedAudio(48_000)],
]);

/** A source with picture and sound, and all its rungs. */
export const LADDER_TRACKS = new Map<TrackId, TrackConfig>([
	...VIDEO_AND_AUDIO,
	...[...SIMULATED_LADDER].map(([trackId, { kind }]): [TrackId, TrackConfig] => [
		trackId,
		kind === 'video' ? SIMULATED_VIDEO : simulatedAudio(48_000),
	]),
]);

/** Its run 0 has begun with `tracks`. `faults` holds all that were found so far. */
export class WatchedBroadcast {
	readonly clock = new FakeClock();
	readonly logger = new RecordingLogger();
	readonly config: PackagerConfig;
	readonly broadcast: BroadcastPackager;
	readonly faults: string[] = [];
	readonly checkers = new Map<TrackId, PlaylistSequenceChecker>();
	playlistCount = 0;
	readonly #versions = new Map<TrackId, number>();

	constructor(
		overrides: Partial<PackagerConfig> = {},
		tracks: ReadonlyMap<TrackId, TrackConfig> = VIDEO_AND_AUDIO,
		rungs: ReadonlyMap<TrackId, Rung> = new Map(),
	) {
		this.config = defaultPackagerConfig(overrides);
		this.broadcast = new BroadcastPackager(this, {
			broadcastId: '01broadcast' as BroadcastId,
			channelName: 'demo' as ChannelName,
		});
		this.broadcast.beginRun(0, tracks, rungs);
	}

	/** Writes the units, checking after each. */
	feed(units: readonly AccessUnit[]): void {
		for (const unit of units) {
			this.broadcast.write(unit);
			this.check();
		}
	}

	/** Ends the broadcast, and checks the last playlists. */
	end(): void {
		this.broadcast.end();
		this.check();
	}

	/** EXT-X-DISCONTINUITY-SEQUENCE of the newest segment of each rendition. */
	get discontinuitySequences(): number[] {
		return [...this.checkers.values()].map((checker) => checker.latest!.segments.at(-1)!.discontinuitySequence);
	}

	/** The media playlist of a track now. */
	text(trackId: TrackId, isDelta = false): string {
		const reports = this.broadcast.offered
			.filter((other) => other.trackId !== trackId)
			.map((other) => ({
				uri: `../${other.trackId}/index.m3u8`,
				lastMediaSequence: other.rendition.lastPosition!.mediaSequence,
				lastPartIndex: other.rendition.lastPosition!.partIndex,
			}));
		return formatMediaPlaylist(this.broadcast.rendition(trackId)!, { isDelta, reports });
	}
	/** The multivariant playlist now. */
	multivariantText(): string {
		return multivariantPlaylistOf(this.broadcast.offered, ({ trackId }) => `${trackId}/index.m3u8`);
	}

	/** Checks what has changed. */
	check(): void {
		for (const { trackId, rendition } of this.broadcast.renditions) {
			if (this.#versions.get(trackId) === rendition.version || !rendition.isPlayable) {
				continue;
			}
			this.#versions.set(trackId, rendition.version);
			let checker = this.checkers.get(trackId);
			if (checker === undefined) {
				checker = new PlaylistSequenceChecker(
					() => this.broadcast.offered.filter((other) => other.trackId !== trackId).length + 1,
				);
				this.checkers.set(trackId, checker);
			}
			this.playlistCount++;
			const text = this.text(trackId);
			this.faults.push(...checker.check(text).map((fault) => `${trackId}: ${fault}`));
			this.faults.push(...parserFaults(text));
			this.faults.push(...checker.check(this.text(trackId, true)).map((fault) => `${trackId} delta: ${fault}`));
		}
		this.#checkSiblings();
	}

	#checkSiblings(): void {
		const latest = [...this.checkers].map(([trackId, { latest }]) => ({ trackId, playlist: latest! }));
		const [first] = latest;
		for (const { trackId, playlist } of latest.slice(1)) {
			const sibling = latest.find((other) => other.trackId.slice(0, 5) === trackId.slice(0, 5))!;
			this.faults.push(
				...inStepFaults(first!.playlist, playlist, 0.1).map((fault) => `${trackId}: ${fault}`),
				...(sibling.playlist === playlist
					? []
					: siblingFaults(sibling.playlist, playlist, trackId.startsWith('video') ? 0 : 0.03).map(
							(fault) => `${trackId}: ${fault}`,
						)),
			);
		}
	}

	/** Bytes that the broadcast serves. */
	file(trackId: TrackId, name: string): Uint8Array {
		return this.broadcast.store.get(`${trackId}/${name}`)!;
	}

	/** The samples that a rendition still has, and whether parts and segments agree (L-12, L-11, L-33). */
	async media(trackId: TrackId): Promise<{ packets: ReadPacket[]; faults: string[] }> {
		const faults: string[] = [];
		const packets: ReadPacket[] = [];
		for (const { mediaSequence, name, initName, isComplete, parts } of this.broadcast.rendition(trackId)!.segments) {
			const real = parts.filter((part) => !part.isGap);
			const joined = concatBytes(real.map((part) => this.file(trackId, part.name)));
			if (real.length > 0 && isComplete && Buffer.compare(joined, this.file(trackId, name)) !== 0) {
				faults.push(`L-12 segment ${mediaSequence} is not its parts`);
			}
			let expectedTicks: number | undefined;
			for (const part of parts) {
				const bytes = part.isGap ? undefined : this.file(trackId, part.name);
				const startTicks = bytes && Number(findBox(bytes, 'moof/traf/tfdt')!.readBigUInt64BE(4));
				if ((startTicks ?? part.startTicks) !== (expectedTicks ?? part.startTicks)) {
					faults.push(`L-33 ${part.name} does not follow`);
				}
				expectedTicks = part.startTicks + part.durationTicks;
				const read = bytes === undefined ? [] : (await readMp4(this.file(trackId, initName!), bytes)).packets;
				if (part.isIndependent !== read.some(({ isKey }) => isKey)) {
					faults.push(`L-11 ${part.name}`);
				}
				packets.push(...read);
			}
		}
		return { packets, faults };
	}
}

function parserFaults(text: string): string[] {
	const parser = new Parser();
	const faults: string[] = [];
	parser.on('warn', (event: { message: string }) => faults.push(`m3u8-parser: ${event.message}`));
	parser.push(text);
	parser.end();
	if (parser.manifest.segments.length === 0) {
		faults.push('m3u8-parser found no segment');
	}
	return faults;
}

/** 30 frames a second with a GOP of 2 s, and AAC at 48 kHz, in whole milliseconds. */
export function rtmpLike(durationSeconds: number, startSeconds = 1000, run = 0): AccessUnit[] {
	return simulateRun({
		run,
		startSeconds,
		durationSeconds,
		captureTimeMs: CAPTURE_START_MS + (startSeconds - 1000) * 1000,
		video: { frameRate: 30, gopFrames: 60, isMilliseconds: true },
		audio: { sampleRate: 48_000, isMilliseconds: true },
		random: seededRandom(1),
	});
}
