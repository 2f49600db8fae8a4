/** Formats the text that a start prints: where to watch, how to publish, and the secrets of a first start. Pure. */
import type { FirstStartResult } from '../publishing/first-start.ts';
import type { Endpoints } from './ports.ts';

export function welcomeText(facts: {
	endpoints: Endpoints;
	channelName: string;
	firstStart: FirstStartResult;
	isDemo: boolean;
	tookMs: number;
}): string {
	const { channelName, firstStart } = facts;
	const { httpUrl, rtmpUrl } = facts.endpoints;
	const key = firstStart.newStreamKey ?? '<your stream key>';
	const lines = [
		'',
		`  Spillway is running (started in ${(facts.tookMs / 1000).toFixed(1)} s).`,
		'',
		`  Watch            ${httpUrl}/${channelName}`,
		`  API              ${httpUrl}/api/v1/channels`,
		'',
		'  Publish from OBS, Settings → Stream:',
		'    WHIP           Service: WHIP',
		`                   Server: ${httpUrl}/whip`,
		`                   Bearer Token: ${key}`,
		'    RTMP           Service: Custom…',
		`                   Server: ${rtmpUrl}`,
		`                   Stream Key: ${key}`,
		'    Best           Keyframe interval 2 s, B-frames 0, H.264',
		'',
	];
	if (firstStart.newStreamKey !== undefined) {
		lines.push(`  The stream key of channel "${channelName}" is shown this once and stored hashed. Keep it.`);
	}
	if (firstStart.newAdminPassword !== undefined) {
		lines.push(`  Administrator "admin", password (shown this once): ${firstStart.newAdminPassword}`);
	}
	if (facts.isDemo) {
		lines.push(`  The built-in test picture is going live on "${channelName}".`);
	}
	lines.push('');
	return `${lines.join('\n')}\n`;
}
