/** Reserves encoder capacity for a plan, or turns it into a plan without re-encoding. */
import { withoutRungs, type LadderPlan } from './ladder.ts';
import {
	NO_LADDER,
	originOf,
	planMedia,
	planOf,
	SOURCE_TRACKS,
	type Leg,
	type MediaPlan,
	type StreamFacts,
} from './media-planner.ts';
import { pixelsPerSecond, type EncoderGrants, type EncoderLease } from './work-budget.ts';

/** The picture that may be re-encoded. */
type EncodedPicture = {
	widthPixels: number;
	heightPixels: number;
	/** Pictures a second; 0 while unknown. Called only when the plan re-encodes. */
	frameRate(): number;
};

/** A smaller change of the frame rate is measurement noise. */
const FRAME_RATE_STEP = 5;

/** Holds the capacity of one contribution. */
export class EncoderAdmission {
	readonly #deps: { encoderGrants: EncoderGrants };
	#lease: EncoderLease | undefined;
	#leasedPixelsPerSecond = 0;

	constructor(deps: { encoderGrants: EncoderGrants }) {
		this.#deps = deps;
	}

	/** The plan for these facts, within the budget. Call it repeatedly, because capacity may become free. */
	plan(facts: StreamFacts, picture: EncodedPicture | undefined, ladder: LadderPlan = NO_LADDER): MediaPlan {
		const { encoderGrants } = this.#deps;
		const plan = planMedia(facts, ladder);
		if (picture === undefined || !reEncodesSource(plan)) {
			return plan;
		}
		const wanted = pixelsPerSecond(picture, roundedRate(picture.frameRate()));
		if (this.#lease === undefined) {
			this.#lease = encoderGrants.acquire(wanted);
		} else if (wanted !== this.#leasedPixelsPerSecond) {
			this.#lease.resize(wanted);
		}
		this.#leasedPixelsPerSecond = wanted;
		return this.#lease === undefined ? withoutEncoder(plan, facts, wanted, encoderGrants.maxPixelsPerSecond) : plan;
	}

	release(): void {
		this.#lease?.release();
		this.#lease = undefined;
	}
}

/**
 * A plan that re-encodes no picture. A leg that needs an encoder is off, with the reason. A picture with key frames far
 * apart still goes to WebRTC unchanged: viewers wait for the next one, which is better than no picture. Pure.
 */
function withoutEncoder(
	plan: MediaPlan,
	facts: StreamFacts,
	wantedPixelsPerSecond: number,
	maxPixelsPerSecond: number,
): MediaPlan {
	const isTooLarge = wantedPixelsPerSecond > maxPixelsPerSecond;
	const why = isTooLarge
		? `This picture is too large to be re-encoded here: ${megapixels(wantedPixelsPerSecond)} of at most ${megapixels(maxPixelsPerSecond)} million pixels a second.`
		: 'The server is re-encoding as much as it can, so this picture has to wait until there is room.';
	const video = facts.video === undefined ? undefined : { ...facts.video, longestGopMs: undefined };
	const passesButForGop = originOf(planMedia({ ...facts, video }), SOURCE_TRACKS.video.id, 'stage') === 'source';
	const legs = plan.legs.map((leg): Leg => {
		if (leg.track !== 'video' || leg.mode !== 're-encode') {
			return leg;
		}
		if (leg.tier === 'webrtc' && passesButForGop) {
			return { ...leg, mode: 'pass-through', reason: `${leg.reason} ${why} It goes through as it is.` };
		}
		return { ...leg, mode: 'off', reason: `${leg.reason} ${why}` };
	});
	return planOf(legs, withoutRungs(plan.ladder));
}

function reEncodesSource(plan: MediaPlan): boolean {
	return plan.edges.some(({ track, from }) => track === SOURCE_TRACKS.video.id && from === 'encoder');
}

function roundedRate(frameRate: number): number {
	return frameRate > 0 ? Math.max(1, Math.round(frameRate / FRAME_RATE_STEP)) * FRAME_RATE_STEP : 0;
}

function megapixels(pixels: number): number {
	return Math.ceil(pixels / 1e6);
}
