/** Times in a video as text: `?t=1h2m3s` in addresses, `1:02:03` on the player, and spoken. Pure. */

/** Longer than any video: larger numbers in an address are a mistake. */
const MAX_SECONDS = 1_000_000;

/** Seconds of `95`, `95s`, `1m35s`, `1h2m3s` or `1:02:03`; undefined for anything else. */
export function parseTime(text: string): number | undefined {
	const plain = /^(\d{1,7}(?:\.\d{1,3})?)s?$/i.exec(text);
	const units = /^(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?$/i.exec(text);
	const clock = /^(?:(\d{1,5}):)?(\d{1,2}):(\d{2})$/.exec(text);
	let seconds: number | undefined;
	if (plain !== null) {
		seconds = Number(plain[1]);
	} else if (text !== '' && units !== null) {
		seconds = sum(units);
	} else if (clock !== null) {
		seconds = sum(clock);
	}
	return seconds === undefined || seconds > MAX_SECONDS ? undefined : seconds;
}

function sum([, hours = '0', minutes = '0', seconds = '0']: RegExpExecArray): number {
	return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

/** As {@link parseTime} reads it: `45s`, `1m35s`, `1h2m3s`. */
export function formatTimeParameter(seconds: number): string {
	const [hours, minutes, rest] = split(seconds);
	const parts = [hours > 0 ? `${hours}h` : '', minutes > 0 ? `${minutes}m` : '', rest > 0 ? `${rest}s` : ''];
	return parts.join('') || '0s';
}

/** `0:07`, `12:05`, `1:02:03`. */
export function formatClock(seconds: number): string {
	const [hours, minutes, rest] = split(seconds);
	const end = `${String(rest).padStart(2, '0')}`;
	return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${end}` : `${minutes}:${end}`;
}

/** To the hundredth, rounded: `0:07.40`, `1:02:03.05`. */
export function formatHundredths(seconds: number): string {
	const hundredths = Math.max(0, Math.round(seconds * 100));
	return `${formatClock(Math.floor(hundredths / 100))}.${String(hundredths % 100).padStart(2, '0')}`;
}

/** For screen readers and sentences: `1 hour 2 minutes 3 seconds`, `0 seconds`. */
export function speakTime(seconds: number): string {
	const [hours, minutes, rest] = split(seconds);
	const parts = [count(hours, 'hour'), count(minutes, 'minute'), count(rest, 'second')].filter((part) => part !== '');
	return parts.join(' ') || '0 seconds';
}

/** As long as a person says it: seconds only below two minutes. `45 seconds`, `3 minutes`, `2 hours 3 minutes`. */
export function speakLength(seconds: number): string {
	return speakTime(seconds < 120 ? seconds : Math.round(seconds / 60) * 60);
}

/** A distance to live: `−0:12`, `−1:02:03`; `Live` where there is none. */
export function formatBack(seconds: number): string {
	return seconds < 1 ? 'Live' : `−${formatClock(seconds)}`;
}

/** For screen readers. */
export function speakBack(seconds: number): string {
	return `${speakTime(seconds)} behind live`;
}

function count(value: number, unit: string): string {
	return value === 0 ? '' : `${value} ${unit}${value === 1 ? '' : 's'}`;
}

/** Hours, minutes and seconds; whole, rounded down as a running clock is. */
function split(seconds: number): [hours: number, minutes: number, seconds: number] {
	const whole = Math.max(0, Math.floor(seconds));
	return [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
}
