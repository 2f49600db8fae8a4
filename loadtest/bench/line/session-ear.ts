/** Records what page and server say to each other over the signaling socket, and what the page says to the viewer. */

export type SessionEvent = {
	/** Epoch milliseconds on the page's clock. */
	atMs: number;
	from: 'server' | 'page';
	/** The message; a long one is cut. */
	message: Record<string, unknown>;
};

/** Many, and about other things. */
const LEFT_OUT = ['chat', 'clock', 'statistics', 'presence', 'channel'];
const MAX_EVENTS = 1000;

/** Text for `addInitScript`. Knows no single message, so that it also records those of later versions. */
export const SESSION_EAR = `(() => {
	const events = [];
	globalThis.spillwaySessionEar = events;
	const record = (from, data) => {
		if (typeof data !== 'string') return;
		let message;
		try {
			message = JSON.parse(data);
		} catch {
			return;
		}
		if (events.length >= ${MAX_EVENTS} || ${JSON.stringify(LEFT_OUT)}.includes(message?.type)) return;
		const { chatHistory, chatSettings, channel, resumeToken, ...rest } = message;
		events.push({ atMs: performance.timeOrigin + performance.now(), from, message: rest });
	};
	const Native = globalThis.WebSocket;
	globalThis.WebSocket = class extends Native {
		constructor(...parameters) {
			super(...parameters);
			this.addEventListener('message', ({ data }) => record('server', data));
		}
		send(data) {
			record('page', data);
			super.send(data);
		}
	};
})();`;

/** Expression for the page: returns the events since the last time. */
export const COLLECT_SESSION = 'globalThis.spillwaySessionEar.splice(0)';

/** Expression for the page: what it says about its player. */
export const READ_STATUS = `[...document.querySelectorAll('[role="status"]')]
	.filter((element) => element.innerText.trim() !== '')
	.map((element) => {
		const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
		const texts = [];
		while (walker.nextNode() !== null) texts.push(walker.currentNode.data.trim());
		return texts.filter((text) => text !== '').join(' ');
	})
	.join(' / ')
	.slice(0, 400)`;
