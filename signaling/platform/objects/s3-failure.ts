/** What can be wrong between this server and an S3 service, each with a clause for people who can correct it. */
import { SpillwayError } from '../../../core/errors/errors.ts';
import { storeUnavailable } from './object-work.ts';

/** Where requests go, for the messages. */
export type S3Place = { host: string; bucket: string };

export type S3Answer = {
	status: number;
	headers: Readonly<Record<string, string | string[] | undefined>>;
	body: Uint8Array;
};

type S3FailureKind =
	| 'access-key-unknown'
	| 'secret-refused'
	| 'permission-missing'
	| 'bucket-missing'
	| 'region-wrong'
	| 'clock-skewed'
	| 'full'
	| 'overloaded'
	| 'no-answer'
	| 'unreachable'
	| 'unexpected-answer';

/** The cause of an OBJECT_STORE_UNAVAILABLE or OBJECT_STORE_FULL of an S3 service. */
export class S3Failure extends Error {
	override readonly name = 'S3Failure';
	readonly kind: S3FailureKind;
	/** True for what may be gone a moment later, so that the same request is worth another try. */
	readonly isBrief: boolean;
	/** What the service asks for. */
	readonly retryAfterSeconds: number | undefined;

	/** `reason` is a clause: without a capital and without a final stop. */
	constructor(
		kind: S3FailureKind,
		reason: string,
		options: { isBrief?: boolean; retryAfterSeconds?: number | undefined; cause?: unknown } = {},
	) {
		super(reason, options.cause === undefined ? undefined : { cause: options.cause });
		this.kind = kind;
		this.isBrief = options.isBrief ?? false;
		this.retryAfterSeconds = options.retryAfterSeconds;
	}

	toStoreError(): SpillwayError {
		return this.kind === 'full'
			? new SpillwayError('OBJECT_STORE_FULL', [this.message], { cause: this })
			: storeUnavailable(this.message, this);
	}
}

const OVERLOAD_STATUSES: readonly number[] = [429, 503];
/** Of MinIO, Ceph and a status that some services use. */
const FULL_CODES: readonly string[] = ['XMinioStorageFull', 'QuotaExceeded', 'InsufficientStorage'];
const BRIEF_CODES: readonly string[] = ['RequestTimeout', 'OperationAborted'];

/** For an answer that is neither the wanted one nor "no such object". */
export function failureOfAnswer({ host, bucket }: S3Place, answer: S3Answer, nowMs: number): S3Failure {
	const { status } = answer;
	const code = readTag(answer.body, 'Code') ?? '';
	const retryAfterSeconds = Number(answer.headers['retry-after']) || undefined;
	switch (code) {
		case 'InvalidAccessKeyId':
			return new S3Failure(
				'access-key-unknown',
				`the S3 service ${host} does not know the access key; check recording.s3.accessKeyId`,
			);
		case 'SignatureDoesNotMatch':
			return new S3Failure(
				'secret-refused',
				`the S3 service ${host} refuses the signature; check recording.s3.secretAccessKey and recording.s3.region`,
			);
		case 'RequestTimeTooSkewed':
		case 'RequestExpired':
			return new S3Failure('clock-skewed', describeSkew(host, answer, nowMs));
		case 'NoSuchBucket':
			return new S3Failure(
				'bucket-missing',
				`the S3 service ${host} has no bucket "${bucket}"; create it, or correct recording.s3.bucket`,
			);
		case 'AuthorizationHeaderMalformed':
		case 'PermanentRedirect':
		case 'TemporaryRedirect':
		case 'IllegalLocationConstraintException':
			return new S3Failure('region-wrong', describeRegion(host, bucket, answer));
	}
	if (status === 507 || FULL_CODES.includes(code)) {
		return new S3Failure('full', `bucket "${bucket}" at ${host} takes no more (${status} ${code})`);
	}
	if (status === 403 || status === 401) {
		return new S3Failure(
			'permission-missing',
			`the S3 service ${host} does not allow this (${status} ${code}): the access key needs the right to read, write, delete and list in bucket "${bucket}"`,
		);
	}
	if (status === 301 || status === 307) {
		return new S3Failure('region-wrong', describeRegion(host, bucket, answer));
	}
	if (OVERLOAD_STATUSES.includes(status)) {
		return new S3Failure('overloaded', `the S3 service ${host} is overloaded (${joinWords(status, code)})`, {
			isBrief: true,
			retryAfterSeconds,
		});
	}
	const message = readTag(answer.body, 'Message');
	return new S3Failure(
		'unexpected-answer',
		`the S3 service ${host} answered ${joinWords(status, code)}${message === undefined ? '' : `: ${message}`}`,
		{ isBrief: (status >= 500 && status !== 501) || BRIEF_CODES.includes(code), retryAfterSeconds },
	);
}

/** For a request without an answer, or with half of one. */
export function failureOfConnection({ host }: S3Place, error: unknown): S3Failure {
	const code = error instanceof Error && 'code' in error ? String(error.code) : '';
	if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
		return new S3Failure('unreachable', `the name of the S3 service ${host} cannot be resolved (${code})`, {
			isBrief: code === 'EAI_AGAIN',
			cause: error,
		});
	}
	if (/EPROTO|CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code)) {
		return new S3Failure(
			'unreachable',
			`TLS with the S3 service ${host} fails (${code}); check recording.s3.endpoint`,
			{
				cause: error,
			},
		);
	}
	const reason = code === '' && error instanceof Error ? error.message : code;
	const fact = code === 'ECONNRESET' || code === 'EPIPE' ? 'broke the connection' : 'cannot be reached';
	return new S3Failure('unreachable', `the S3 service ${host} ${fact} (${reason})`, { isBrief: true, cause: error });
}

export function failureOfDeadline({ host }: S3Place, waitedMs: number): S3Failure {
	return new S3Failure(
		'no-answer',
		`the S3 service ${host} has not answered within ${Math.round(waitedMs / 100) / 10} s`,
	);
}

/** Longer descriptions of an error are of no use. */
const MAX_ERROR_BYTES = 16 * 1024;

/** The text of the first element of that name in the description of an error. */
export function readTag(body: Uint8Array, tag: string): string | undefined {
	return readTags(Buffer.from(body.subarray(0, MAX_ERROR_BYTES)).toString(), tag)[0];
}

/** The texts of all elements of that name, in order. S3 services use no attributes and no CDATA in these. */
export function readTags(xml: string, tag: string): string[] {
	return [...xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, 'g'))].map(([, text]) =>
		text!.replace(/&(lt|gt|quot|apos|amp|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g, unescape),
	);
}

/** Of XML. */
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescape(match: string, name: string, decimal?: string, hexadecimal?: string): string {
	const codePoint = decimal === undefined ? parseInt(hexadecimal ?? '', 16) : Number(decimal);
	return ENTITIES[name] ?? (codePoint <= 0x10_ff_ff ? String.fromCodePoint(codePoint) : match);
}

function describeSkew(host: string, answer: S3Answer, nowMs: number): string {
	const date = answer.headers['date'];
	const differenceS = Math.round((nowMs - Date.parse(String(date))) / 1000);
	const difference = Number.isNaN(differenceS)
		? 'differs from'
		: `is ${Math.abs(differenceS)} s ${differenceS < 0 ? 'behind' : 'ahead of'}`;
	return `the clock of this machine ${difference} that of the S3 service ${host}; set it, and keep it right by NTP`;
}

function describeRegion(host: string, bucket: string, answer: S3Answer): string {
	const region = answer.headers['x-amz-bucket-region'] ?? readTag(answer.body, 'Region');
	const right = region === undefined ? '' : `, which is ${String(region)}`;
	return `bucket "${bucket}" is in another region than recording.s3.region or the address ${host} name${right}`;
}

function joinWords(status: number, code: string): string {
	return code === '' ? String(status) : `${status} ${code}`;
}
