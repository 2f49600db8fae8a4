/** The configuration of recordings: how many there may be, and where they are stored. */
import { Type, type Static } from 'typebox';
import { integer, optionalText, text } from './config-fields.ts';

const ADDRESS_PATTERN = '^https?://[^/?#@\\s]+/?$';
const ADDRESS_IN_WORDS = 'an address with http:// or https:// and without a path';

const S3_CONFIG_SCHEMA = Type.Object({
	endpoint: optionalText({
		pattern: ADDRESS_PATTERN,
		expected: ADDRESS_IN_WORDS,
		description:
			'Address of a service that speaks S3, such as https://s3.eu-central-1.amazonaws.com. With it recordings are stored there. Needs bucket, accessKeyId and secretAccessKey. The bucket is the first step of the path.',
	}),
	publicEndpoint: optionalText({
		pattern: ADDRESS_PATTERN,
		expected: ADDRESS_IN_WORDS,
		description:
			'Address of the same service for browsers. With it viewers are redirected there with addresses that are valid for minutes, and the bucket needs a CORS rule. Without it the server sends the media itself.',
	}),
	region: text({
		default: 'us-east-1',
		pattern: '^[A-Za-z0-9-]{1,64}$',
		expected: '1 to 64 letters, digits and hyphens',
		description: 'Region of the bucket. Services without regions take any.',
	}),
	bucket: optionalText({
		pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$',
		expected: '3 to 63 letters, digits, points, hyphens or underscores',
		description: 'Bucket for recordings. It must exist, and should be private.',
	}),
	accessKeyId: optionalText({
		pattern: '^[^\\s/,=]{1,256}$',
		expected: '1 to 256 characters without spaces and without / , =',
		description: 'Access key that may read, write, delete and list in the bucket.',
	}),
	secretAccessKey: optionalText({
		secret: true,
		pattern: '^\\S{1,512}$',
		expected: '1 to 512 characters without spaces',
		description: 'Secret of the access key.',
	}),
	prefix: text({
		default: '',
		pattern: '^([A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,3})?$',
		expected: 'up to four steps of letters, digits, points, hyphens and underscores, with slashes between',
		description: 'First part of every key, so that a bucket can hold other things as well.',
	}),
});

/** Recordings of broadcasts, on the disk of the data folder or on S3. */
export const RECORDING_CONFIG_SCHEMA = Type.Object({
	maxBytes: integer({
		default: 0,
		minimum: 0,
		maximum: 1_000_000_000_000_000,
		unit: 'bytes',
		description:
			'Most that all recordings may take; then nothing more is recorded, and live broadcasts continue. 0: what the disk has besides recording.reservedBytes.',
	}),
	maxBytesPerOwner: integer({
		default: 100_000_000_000,
		minimum: 0,
		maximum: 1_000_000_000_000_000,
		unit: 'bytes',
		description: 'Most that the recordings on the channels of one account may take.',
	}),
	reservedBytes: integer({
		default: 2_147_483_648,
		minimum: 0,
		maximum: 1_000_000_000_000_000,
		unit: 'bytes',
		description:
			'Free room that recordings leave on the disk of the data folder, for the database. It is at least 5 % of the disk. Nothing is recorded beyond it.',
	}),
	retentionDays: integer({
		default: 14,
		minimum: 1,
		maximum: 3650,
		unit: 'days',
		description: 'How long after its end a recording is deleted, unless its owner keeps it.',
	}),
	maxHours: integer({
		default: 24,
		minimum: 1,
		maximum: 240,
		unit: 'h',
		description: 'Longest recording of one broadcast; the live broadcast continues after it.',
	}),
	rewindMinutes: integer({
		default: 120,
		minimum: 0,
		maximum: 1440,
		unit: 'min',
		description:
			'How far viewers can go back in a broadcast that is being recorded. Without a recording it is hls.windowSeconds.',
	}),
	maxSpoolBytes: integer({
		default: 10 * 1024 ** 3,
		minimum: 16 * 1024 ** 2,
		maximum: 1_000_000_000_000_000,
		unit: 'bytes',
		description:
			'Recordings that may wait in the data folder for their upload to S3. When the service is away for longer than this lasts, recording stops; a broadcast of 6 Mbit/s fills 2.7 GB an hour.',
	}),
	maxUploadBitrateBps: integer({
		default: 0,
		minimum: 0,
		maximum: 1_000_000_000_000,
		unit: 'bit/s',
		description:
			'Bits per second of all uploads to S3 together. After the service was away, uploads take all that the line has, also from viewers. Five times the bit rate of what is recorded leaves them enough to catch up. 0: no limit.',
	}),
	s3: S3_CONFIG_SCHEMA,
});

/** Clips of recordings. */
export const CLIPS_CONFIG_SCHEMA = Type.Object({
	maxPerDay: integer({
		default: 100,
		minimum: 0,
		maximum: 100_000,
		description: 'Most clips that one account makes in 24 hours. 0: nobody makes any.',
	}),
});

/** Fields without which the service cannot be used. */
const REQUIRED = ['endpoint', 'bucket', 'accessKeyId', 'secretAccessKey'] as const;

/** A sentence for each broken rule between fields. */
export function findRecordingConflicts({ s3 }: Static<typeof RECORDING_CONFIG_SCHEMA>): string[] {
	const given = [...REQUIRED, 'publicEndpoint' as const].filter((name) => s3[name] !== undefined);
	const missing = REQUIRED.filter((name) => s3[name] === undefined);
	if (given.length === 0 || missing.length === 0) {
		return [];
	}
	const list = (names: readonly string[]): string => names.map((name) => `recording.s3.${name}`).join(', ');
	return [
		`${list(given)} ${given.length === 1 ? 'is' : 'are'} given without ${list(missing)}. Give all of them for S3, or none to keep recordings in the data folder.`,
	];
}
