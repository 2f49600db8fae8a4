/** Parses untrusted text into a message of the protocol, or into a close code. The schemas are compiled once. */
import { Compile, type Validator } from 'typebox/compile';
import { clientMessageSchema, type ClientMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import {
	MAX_SIGNALING_MESSAGE_BYTES,
	SIGNALING_PROTOCOL,
} from '../../../core/protocol/signaling/signaling-constants.ts';

/** `detail` names the place and the rule, never the value. */
type ParsedMessage =
	{ message: ClientMessage } | { refusal: 'malformedMessage' | 'protocolUnsupported'; detail: string };

// One validator per type, so that errors name the fields of that type only.
const VALIDATORS: ReadonlyMap<string, Validator> = new Map(
	clientMessageSchema.anyOf.map((schema) => [schema.properties.type.const, Compile(schema)]),
);

/** Never throws. */
export function parseClientMessage(text: string): ParsedMessage {
	if (text.length > MAX_SIGNALING_MESSAGE_BYTES) {
		return malformed('the message is too long');
	}
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return malformed('the message is not JSON');
	}
	if (typeof value !== 'object' || value === null || Array.isArray(value)) {
		return malformed('the message is not an object');
	}
	const { type, protocol } = value as { type?: unknown; protocol?: unknown };
	const validator = typeof type === 'string' ? VALIDATORS.get(type) : undefined;
	if (validator === undefined) {
		return malformed('the type is not known');
	}
	if (type === 'join' && protocol !== SIGNALING_PROTOCOL) {
		return { refusal: 'protocolUnsupported', detail: `this server speaks version ${SIGNALING_PROTOCOL}` };
	}
	if (!validator.Check(value)) {
		const [error] = validator.Errors(value);
		return malformed(`${String(type)}${error?.instancePath ?? ''} ${error?.message ?? 'is not valid'}`);
	}
	return { message: value as ClientMessage };
}

function malformed(detail: string): ParsedMessage {
	return { refusal: 'malformedMessage', detail };
}
