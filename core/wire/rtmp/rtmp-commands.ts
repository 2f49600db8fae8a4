/** RTMP commands (NetConnection, NetStream) of an encoder, and our answers. Without state. */
import { SpillwayError } from '../../errors/errors.ts';
import { amf0Object, decodeAmf0, encodeAmf0, type Amf0Object, type Amf0Value } from '../amf0.ts';
import { announcesOtherCodecsOnly, enhancedConnectProperties, readsEnhancedRtmp } from './enhanced-rtmp.ts';
import { MESSAGE_TYPE, type RtmpMessage } from './rtmp-messages.ts';

export type RtmpCommand = {
	name: string;
	/** 0: no answer is expected. */
	transactionId: number;
	/** The command object or null, then the arguments. */
	parameters: readonly Amf0Value[];
};

/** The facts about the encoder in `connect`. */
export type ConnectFacts = {
	/** Path of the URL before the stream name, such as `live`. May hold a stream key: never log it. */
	app: string;
	/** The URL, or the part of it that the encoder sends. May hold a stream key: never log it. */
	tcUrl: string;
	/** Such as `FMLE/3.0 (compatible; FMSc/1.0)`. */
	flashVersion: string;
	/** The encoder announces a part of Enhanced RTMP. */
	isEnhanced: boolean;
	/** The encoder announces video codecs, and none of them is supported. */
	hasNoCodecOfOurs: boolean;
};

/** Codes that encoders know (Adobe RTMP 1.0 §7.2, and Flash Media Server). */
export type StatusCode =
	| 'NetStream.Publish.Start'
	| 'NetStream.Publish.Denied'
	| 'NetStream.Publish.Rejected'
	| 'NetStream.Unpublish.Success'
	| 'NetStream.Play.Failed';

/** Decodes a command message of either type. Throws RTMP_PROTOCOL_ERROR. */
export function parseCommand(message: RtmpMessage): RtmpCommand {
	const [name, transactionId, ...parameters] = decodeAmf0(skipAmf3Format(message));
	if (typeof name !== 'string') {
		throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['a command without a name']);
	}
	return { name, transactionId: typeof transactionId === 'number' ? transactionId : 0, parameters };
}

/**
 * Finds the metadata in a message: `onMetaData` with or without `@setDataFrame` before it, as object or ECMA array,
 * also with other values in between. Undefined for another message. Throws RTMP_PROTOCOL_ERROR.
 */
export function parseMetadata(message: RtmpMessage): Record<string, string | number | boolean> | undefined {
	const values = decodeAmf0(skipAmf3Format(message));
	const fields = values.find((value) => value instanceof Map);
	const isMetadata =
		values.slice(0, 3).includes('onMetaData') || (values[0] === '@setDataFrame' && values[1] instanceof Map);
	if (!isMetadata || fields === undefined) {
		return undefined;
	}
	// Without a prototype, so that no field name has a special meaning.
	const metadata = Object.create(null) as Record<string, string | number | boolean>;
	let fieldCount = 0;
	for (const [name, value] of fields) {
		if (++fieldCount > MAX_METADATA_FIELD_COUNT) {
			break;
		}
		if (typeof value === 'string') {
			metadata[printable(name)] = printable(value);
		} else if (typeof value === 'number' || typeof value === 'boolean') {
			metadata[printable(name)] = value;
		}
	}
	return metadata;
}

/** OBS sends 20. */
const MAX_METADATA_FIELD_COUNT = 64;
/** Enough for an encoder's name and version. */
const MAX_TEXT_LENGTH = 200;

/** Shortens untrusted text and replaces control and bidirectional characters, so that it may be logged and shown. */
function printable(text: string): string {
	return text.slice(0, MAX_TEXT_LENGTH).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '?');
}

/** Reads the command object of `connect`. Never throws; a missing text is empty. */
export function readConnectFacts(command: RtmpCommand): ConnectFacts {
	const object = command.parameters[0];
	const fields: Amf0Object = object instanceof Map ? object : new Map();
	const text = (name: string): string => {
		const value = fields.get(name);
		return typeof value === 'string' ? value : '';
	};
	return {
		app: text('app'),
		tcUrl: text('tcUrl'),
		flashVersion: printable(text('flashVer')),
		isEnhanced: readsEnhancedRtmp(fields),
		hasNoCodecOfOurs: announcesOtherCodecsOnly(fields),
	};
}

/** `_result` of `connect`, with our Enhanced RTMP properties if the encoder announced it. */
export function connectResult(transactionId: number, facts: ConnectFacts): RtmpMessage {
	const properties = amf0Object({ fmsVer: 'FMS/3,5,7,7009', capabilities: 31, mode: 1 });
	const information = amf0Object({
		level: 'status',
		code: 'NetConnection.Connect.Success',
		description: facts.hasNoCodecOfOurs
			? 'Connection succeeded. This server takes H.264 (avc1) and AAC (mp4a) only.'
			: 'Connection succeeded.',
		// 0: AMF0, for any requested encoding.
		objectEncoding: 0,
	});
	if (facts.isEnhanced) {
		for (const [name, value] of enhancedConnectProperties()) {
			properties.set(name, value);
			// Enhanced RTMP v2: "within an Object as one of the parameters"; there are two, and it does not say which.
			information.set(name, value);
		}
	}
	return commandMessage(0, ['_result', transactionId, properties, information]);
}

/** `_result` of another command. */
export function commandResult(transactionId: number, value: Amf0Value): RtmpMessage {
	return commandMessage(0, ['_result', transactionId, null, value]);
}

/** `_error` of an unknown command. */
export function commandError(transactionId: number): RtmpMessage {
	const information = amf0Object({
		level: 'error',
		code: 'NetConnection.Call.Failed',
		description: 'This server does not know the method.',
	});
	return commandMessage(0, ['_error', transactionId, null, information]);
}

/** `onStatus` of a stream. The code decides the level. */
export function statusMessage(messageStreamId: number, code: StatusCode, description: string): RtmpMessage {
	const isGood = code === 'NetStream.Publish.Start' || code === 'NetStream.Unpublish.Success';
	const information = amf0Object({ level: isGood ? 'status' : 'error', code, description });
	return commandMessage(messageStreamId, ['onStatus', 0, null, information]);
}

/** True for a deleteStream of another stream than the publishing one. An unknown number means the publishing one. */
export function namesOtherStream(command: RtmpCommand, publishingStreamId: number, streamCount: number): boolean {
	const streamId = command.parameters[1];
	return (
		command.name === 'deleteStream' &&
		typeof streamId === 'number' &&
		streamId !== publishingStreamId &&
		streamId >= 1 &&
		streamId <= streamCount
	);
}

export function commandMessage(messageStreamId: number, values: readonly Amf0Value[]): RtmpMessage {
	return { typeId: MESSAGE_TYPE.COMMAND_AMF0, timestampMs: 0, messageStreamId, payload: encodeAmf0(values) };
}

// Adobe RTMP 1.0 §7.1: the AMF3 forms start with a byte for the encoding of the rest. Encoders send 0, which is AMF0
// with single values in AMF3. Some omit the byte, and start with the name, a string.
function skipAmf3Format({ typeId, payload }: RtmpMessage): Uint8Array {
	if (typeId !== MESSAGE_TYPE.COMMAND_AMF3 && typeId !== MESSAGE_TYPE.DATA_AMF3) {
		return payload;
	}
	switch (payload[0]) {
		case 0:
			return payload.subarray(1);
		case AMF0_STRING_MARKER:
			return payload;
		default:
			throw new SpillwayError('RTMP_PROTOCOL_ERROR', ['a message in AMF3']);
	}
}

const AMF0_STRING_MARKER = 2;
