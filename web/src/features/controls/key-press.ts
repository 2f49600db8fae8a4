/** Which key presses a player may take as shortcuts. */

/** `isOnControl`: the focused element uses space and Enter itself. */
export type KeyPress = { key: string; isOnControl: boolean };

/** Undefined while the viewer types, or presses a shortcut of the browser. */
export function readKeyPress(event: KeyboardEvent): KeyPress | undefined {
	const target = event.target instanceof HTMLElement ? event.target : undefined;
	const isWithin = (selector: string): boolean => Boolean(target?.closest(selector));
	const isTyping = isWithin('input:not([type=range]):not([type=radio]), textarea, select, [contenteditable]');
	if (event.ctrlKey || event.metaKey || event.altKey || isTyping) {
		return undefined;
	}
	return { key: event.key, isOnControl: isWithin('button, a, summary, input') };
}
