/** A WHIP publisher of simulcast layers, built from werift's parts, so that tests choose each packet. */
import {
	candidateFromSdp,
	RTCDtlsFingerprint,
	RTCDtlsParameters,
	RTCDtlsTransport,
	RTCIceGatherer,
	RTCIceParameters,
	RTCIceTransport,
	RtpHeader,
} from 'werift';
import { PICTURE_TICKS } from './numbered-pictures.ts';

/** Sequence parameter sets of 1280 × 720, 640 × 360 and 320 × 180, by the names that browsers' code gives to layers. */
export const LAYER_SPS: Readonly<Record<string, Buffer>> = {
	f: Buffer.from('6742c01fda014016ec0440000003004000000f23c60ca8', 'hex'),
	h: Buffer.from('6742c01eda0280bfe5c044000003000400000300f23c58ba80', 'hex'),
	q: Buffer.from('6742c00dda05067e7c0440000003004000000f23c50aa8', 'hex'),
};

const MID_EXTENSION_ID = 1;
const RID_EXTENSION_ID = 2;
const PAYLOAD_TYPE = 96;
const SRTP_PROFILES = [0x0007, 0x0001] as const;

type Layer = { rid: string; ssrc: number; sequence: number; firstTicks: number; isOn: boolean; wantsKeyFrame: boolean };

/** Sends a picture of each layer at a time. */
export class SimulcastPeer implements AsyncDisposable {
	readonly layers: Layer[];
	readonly offer: string;
	readonly #ice: RTCIceTransport;
	readonly #dtls: RTCDtlsTransport;
	#next = 0;

	/** Layers in the order in which they are offered. */
	static async create(rids: readonly string[]): Promise<SimulcastPeer> {
		const certificate = await RTCDtlsTransport.SetupCertificate();
		const gatherer = new RTCIceGatherer({
			useIpv4: true,
			useIpv6: false,
			useTcp: false,
			additionalHostAddresses: ['127.0.0.1'],
		});
		const ice = new RTCIceTransport(gatherer);
		ice.connection.iceControlling = true;
		await gatherer.gather();
		return new SimulcastPeer(rids, ice, new RTCDtlsTransport({}, ice, certificate, [...SRTP_PROFILES]));
	}

	private constructor(rids: readonly string[], ice: RTCIceTransport, dtls: RTCDtlsTransport) {
		this.#ice = ice;
		this.#dtls = dtls;
		this.layers = rids.map((rid, index) => ({
			rid,
			ssrc: 2000 + index,
			sequence: 65_000 + index * 1000,
			firstTicks: 4_294_900_000 + index * 1_000_003,
			isOn: true,
			wantsKeyFrame: true,
		}));
		dtls.onRtcp.subscribe(({ type }) => {
			// Feedback about payloads: requests for key frames.
			if (type === 206) {
				for (const layer of this.layers) {
					layer.wantsKeyFrame = true;
				}
			}
		});
		const { usernameFragment, password } = ice.localParameters;
		const [fingerprint] = dtls.localParameters.fingerprints;
		this.offer = [
			'v=0',
			'o=- 1 2 IN IP4 127.0.0.1',
			's=-',
			't=0 0',
			'a=group:BUNDLE 0',
			`m=video 9 UDP/TLS/RTP/SAVPF ${PAYLOAD_TYPE}`,
			'c=IN IP4 0.0.0.0',
			'a=mid:0',
			'a=sendonly',
			'a=rtcp-mux',
			'a=setup:actpass',
			`a=ice-ufrag:${usernameFragment}`,
			`a=ice-pwd:${password}`,
			`a=fingerprint:${fingerprint!.algorithm} ${fingerprint!.value}`,
			`a=extmap:${MID_EXTENSION_ID} urn:ietf:params:rtp-hdrext:sdes:mid`,
			`a=extmap:${RID_EXTENSION_ID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`,
			`a=rtpmap:${PAYLOAD_TYPE} H264/90000`,
			`a=fmtp:${PAYLOAD_TYPE} packetization-mode=1;profile-level-id=42e01f`,
			`a=rtcp-fb:${PAYLOAD_TYPE} nack pli`,
			...rids.map((rid) => `a=rid:${rid} send`),
			`a=simulcast:send ${rids.join(';')}`,
			'',
		].join('\r\n');
	}

	/** Applies the answer and connects. */
	async connect(answer: string): Promise<void> {
		const value = (name: string): string => new RegExp(`^a=${name}:(.*?)\\r?$`, 'm').exec(answer)![1]!;
		this.#ice.setRemoteParams(
			new RTCIceParameters({ iceLite: true, usernameFragment: value('ice-ufrag'), password: value('ice-pwd') }),
		);
		for (const [, candidate] of answer.matchAll(/^a=candidate:(.* udp .*?)\r?$/gm)) {
			await this.#ice.addRemoteCandidate(candidateFromSdp(candidate!));
		}
		await this.#ice.addRemoteCandidate(undefined);
		const [algorithm, hash] = value('fingerprint').split(' ');
		this.#dtls.role = 'client';
		this.#dtls.setRemoteParams(new RTCDtlsParameters([new RTCDtlsFingerprint(algorithm!, hash!)], 'server'));
		await this.#ice.start();
		await this.#dtls.start();
	}

	layer(rid: string): Layer {
		return this.layers.find((layer) => layer.rid === rid)!;
	}

	/** Sends the next picture of each layer that is on. */
	async send(): Promise<void> {
		const picture = this.#next++;
		for (const layer of this.layers.filter(({ isOn }) => isOn)) {
			const isKeyFrame = layer.wantsKeyFrame;
			layer.wantsKeyFrame = false;
			const slice = Buffer.alloc(400, 0xaa);
			slice[0] = isKeyFrame ? 0x65 : 0x41;
			const payloads = isKeyFrame ? [LAYER_SPS[layer.rid]!, Buffer.from('68ce0fc8', 'hex'), slice] : [slice];
			for (const [index, payload] of payloads.entries()) {
				await this.#dtls.sendRtp(payload, this.#header(layer, picture, index === payloads.length - 1));
			}
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#dtls.stop();
		await this.#ice.stop();
	}

	#header(layer: Layer, picture: number, marker: boolean): RtpHeader {
		const header = new RtpHeader({
			payloadType: PAYLOAD_TYPE,
			sequenceNumber: layer.sequence++ % 2 ** 16,
			timestamp: (layer.firstTicks + picture * PICTURE_TICKS) % 2 ** 32,
			ssrc: layer.ssrc,
			marker,
		});
		header.extension = true;
		header.extensionProfile = 0xbede;
		header.extensions = [
			{ id: MID_EXTENSION_ID, payload: Buffer.from('0') },
			{ id: RID_EXTENSION_ID, payload: Buffer.from(layer.rid) },
		];
		return header;
	}
}
