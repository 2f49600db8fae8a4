/** One process of the load tester: gets its role by IPC, sends figures once a second, and ends with its parent. */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { AudienceRole } from './audience-role.ts';
import { ChatRole } from './chat-role.ts';
import { hlsPlayers } from './hls-player.ts';
import { createWebRtcPlayer } from './webrtc-player.ts';
import { Figures } from '../figures/figures.ts';
import type { ChildMessage, ParentMessage, RoleConfig } from '../figures/messages.ts';
import { PixelRole } from './pixel-role.ts';
import { PublisherRole } from './publisher-role.ts';
import type { Role, RoleContext } from './role.ts';
import { watchTester } from './tester-watch.ts';
import { ViewersRole } from './viewers-role.ts';

const FIGURES_INTERVAL_MS = 1000;
const STOP_DEADLINE_MS = 6000;

let role: Role | undefined;
let figures: Figures | undefined;
let isStopping = false;

function send(message: ChildMessage, done: () => void = () => undefined): void {
	if (process.connected) {
		process.send!(message, undefined, undefined, done);
	} else {
		done();
	}
}

function createRole(context: RoleContext): Role {
	switch (context.config.role) {
		case 'publisher':
			return new PublisherRole(context);
		case 'webrtc':
			return new ViewersRole(context, 'webrtc', createWebRtcPlayer);
		case 'hls':
			return new ViewersRole(context, 'hls', hlsPlayers());
		case 'audience':
			return new AudienceRole(context);
		case 'chat':
			return new ChatRole(context);
		case 'pixel':
			return new PixelRole(context);
	}
}

async function begin(config: RoleConfig): Promise<void> {
	const clock = systemClock;
	figures = new Figures();
	const own = figures;
	role = createRole({ clock, config, figures, note: (text) => send({ type: 'note', text }) });
	// So that a hanging process does not outlive its run.
	clock.setTimeout(() => process.exit(1), config.maxLifeMs);
	try {
		await role.start();
	} catch (error) {
		send({ type: 'failed', message: (error as Error).message });
		return;
	}
	watchTester(clock, own, config.processName, config.starveRatio);
	clock.setInterval(() => send({ type: 'figures', figures: own.take() }), FIGURES_INTERVAL_MS);
	send({ type: 'started' });
}

async function stop(): Promise<void> {
	if (isStopping) {
		return;
	}
	isStopping = true;
	// After the deadline the process ends, too.
	await Promise.race([role?.stop().catch(() => undefined), sleep(systemClock, STOP_DEADLINE_MS)]);
	if (figures !== undefined) {
		await new Promise<void>((resolve) => send({ type: 'figures', figures: figures!.take() }, resolve));
	}
	process.exit(0);
}

process.on('message', (message: ParentMessage) => {
	if (message.type === 'start') {
		void begin(message.config);
	} else if (message.type === 'arrive') {
		role?.arrive?.();
	} else if (message.type === 'leave') {
		role?.leave?.(message.count, message.overMs);
	} else {
		void stop();
	}
});
// The parent has ended.
process.on('disconnect', () => void stop());
process.on('SIGTERM', () => void stop());
// Ctrl-C reaches the whole process group; the parent ends its children in order.
process.on('SIGINT', () => undefined);
send({ type: 'ready' });
