/** The server tries the encoders that its FFmpeg has, or uses the one that is configured. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { buildServer } from '../build-server.ts';
import { until } from '../testing/until.ts';
import { loadServerConfig } from './server-config.ts';
import { copyDatabaseTemplate } from '../testing/database-template.ts';

it.each([
	['auto', true],
	['libx264', false],
])('with the setting %s it tries them: %s', async (encoder, hasTrials) => {
	const folder = await mkdtemp(join(tmpdir(), 'spillway-encoder-'));
	const logger = new RecordingLogger();
	await copyDatabaseTemplate(join(folder, 'data', 'database'));
	const config = await loadServerConfig(
		{
			SPILLWAY_HTTP_PORT: '0',
			SPILLWAY_RTMP_PORT: '0',
			SPILLWAY_RTC_PORT: '0',
			SPILLWAY_RTC_WORKER_COUNT: '1',
			SPILLWAY_DATA_FOLDER: join(folder, 'data'),
			SPILLWAY_INGEST_ENCODER: encoder,
			MEDIASOUP_WORKER_BIN: process.env['MEDIASOUP_WORKER_BIN'],
		},
		join(folder, 'none.json'),
	);
	const server = await buildServer(config, { clock: systemClock, logger });
	const chosen = (): typeof logger.lines =>
		logger.lines.filter(({ message }) => message === 'the encoder of pictures is chosen');
	try {
		await server.app.ready();
		if (hasTrials) {
			await until(() => chosen().length > 0, 'the choice of an encoder');
			expect((chosen()[0]!.fields['tried'] as unknown[]).length).toBeGreaterThan(0);
		}
		expect(chosen()).toHaveLength(hasTrials ? 1 : 0);
	} finally {
		await server.close();
		await rm(folder, { recursive: true, force: true });
	}
});
