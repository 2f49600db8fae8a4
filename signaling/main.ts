/** Starts the server. Only this file and reset-password.ts read the environment and arguments, and print. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../core/lifecycle/clock.ts';
import { maskConfig } from '../core/config/config-schema.ts';
import { errorMessage, SpillwayError } from '../core/errors/errors.ts';
import type { Logger } from '../core/logger.ts';
import { buildWebIfStale } from '../web/build.ts';
import { buildServer, type SpillwayServer } from './build-server.ts';
import { DEMO_CHANNEL_NAME } from './publishing/first-start.ts';
import { checkPorts } from './platform/http/port-check.ts';
import { RejectionPolicy } from './operations/rejection-policy.ts';
import { wantedPorts, type Endpoints } from './server/ports.ts';
import { loadServerConfig, SERVER_CONFIG_SCHEMA } from './server/server-config.ts';
import { createServerLogger } from './server/server-log.ts';
import { welcomeText } from './server/welcome-text.ts';

/** A shutdown that takes longer is cut short. */
const SHUTDOWN_TIMEOUT_MS = 10_000;
/** npm and a signal to the process group deliver the same signal twice; a second one counts only after this. */
const REPEATED_SIGNAL_MS = 1000;
const TEST_PICTURE_KEY_NAME = 'test picture';

type Running = { server?: SpillwayServer; testPicture?: ChildProcess };

/** Publishes the built-in test picture by RTMP from a child process. */
async function startTestPicture(server: SpillwayServer, endpoints: Endpoints, logger: Logger): Promise<ChildProcess> {
	// Keys are stored hashed, so the demo channel's key cannot be read; this one is rotated at each start.
	const { streamKey } = await server.streamKeys.rotateStreamKey(server.firstStart.demoChannelId, TEST_PICTURE_KEY_NAME);
	const script = fileURLToPath(new URL('../loadtest/test-picture.ts', import.meta.url));
	const child = spawn(process.execPath, [script, '--url', `rtmp://127.0.0.1:${endpoints.rtmpPort}/live`], {
		// Its standard input ends with this process, even when that is killed.
		stdio: ['pipe', 'ignore', 'inherit'],
		env: { ...process.env, SPILLWAY_TEST_PICTURE_KEY: streamKey },
	});
	child.on('exit', (code, signal) => logger.info({ code, signal }, 'the test picture has ended'));
	child.on('error', (error) => logger.error({ err: error }, 'the test picture cannot be started'));
	return child;
}

/** The first signal drains and closes the server, the second one ends the waits, the third one ends the process. */
function createStop(running: Running, logger: Logger): (signal: string) => void {
	let lastSignalAtMs: number | undefined;
	let isHurried = false;
	return (signal) => {
		const nowMs = systemClock.monotonicMs();
		const isFirst = lastSignalAtMs === undefined;
		if (nowMs - (lastSignalAtMs ?? -Infinity) <= REPEATED_SIGNAL_MS) {
			return;
		}
		lastSignalAtMs = nowMs;
		if (isFirst) {
			logger.info({ signal }, 'stopping');
			systemClock.setTimeout(() => {
				logger.error({}, 'stopping took too long; cut short');
				process.exit(1);
			}, SHUTDOWN_TIMEOUT_MS);
			void stopServer(running).then(() => {
				logger.info({}, 'stopped');
				process.exit(0);
			});
		} else if (isHurried) {
			process.exit(1);
		} else {
			isHurried = true;
			logger.info({ signal }, 'stopping without waiting');
			running.server?.hurry();
		}
	};
}

async function stopServer({ server, testPicture }: Running): Promise<void> {
	await server?.drain();
	testPicture?.kill('SIGTERM');
	await server?.close();
}

/**
 * Starting leaves 40 MB of garbage and a young generation of three times 16 MB, which V8 keeps: an idle server
 * allocates too little for a collection. Afterwards the young generation grows again as far as the load needs. Takes
 * 0.1 s.
 */
function collectGarbageOfStart(): void {
	setFlagsFromString('--expose-gc');
	const collect = runInNewContext('gc') as (options: { type: 'major'; flavor: 'last-resort' }) => void;
	setFlagsFromString('--no-expose-gc');
	collect({ type: 'major', flavor: 'last-resort' });
}

async function main(): Promise<void> {
	const startedAtMs = systemClock.monotonicMs();
	const unknown = process.argv.slice(2).find((argument) => argument !== '--demo');
	if (unknown !== undefined) {
		throw new SpillwayError('CONFIG_INVALID', [`there is no option "${unknown}"; the only one is --demo.`]);
	}
	const config = await loadServerConfig(process.env);
	const logger = createServerLogger(config);
	logger.info({ config: maskConfig(SERVER_CONFIG_SCHEMA, config) }, 'effective configuration');
	const running: Running & { isListening: boolean } = { isListening: false };
	const stop = createStop(running, logger);
	process.on('SIGTERM', () => stop('SIGTERM'));
	process.on('SIGINT', () => stop('SIGINT'));
	const rejections = new RejectionPolicy({ clock: systemClock, logger });
	process.on('unhandledRejection', (error) => {
		if (!rejections.mayContinue(error) || !running.isListening) {
			process.exit(1);
		}
	});
	await checkPorts(wantedPorts(config));
	const { folder: webFolder } = await buildWebIfStale();
	// Files that are written from here on must not be readable by other accounts.
	process.umask(0o077);
	const server = await buildServer(config, {
		clock: systemClock,
		logger,
		webFolder,
		unhandledRejectionCount: () => rejections.count,
	});
	running.server = server;
	await server.app.ready();
	collectGarbageOfStart();
	const endpoints = await server.listen();
	running.isListening = true;
	const isDemo = process.argv.includes('--demo');
	process.stdout.write(
		welcomeText({
			endpoints,
			channelName: DEMO_CHANNEL_NAME,
			firstStart: server.firstStart,
			isDemo,
			tookMs: systemClock.monotonicMs() - startedAtMs,
		}),
	);
	if (isDemo) {
		running.testPicture = await startTestPicture(server, endpoints, logger);
	}
}

main().catch((error: unknown) => {
	process.stderr.write(
		error instanceof SpillwayError
			? `${error.message}\n`
			: `Spillway cannot start: ${errorMessage(error)}\n${error instanceof Error ? error.stack : ''}\n`,
	);
	process.exit(1);
});
