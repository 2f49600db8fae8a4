/** Test of the page program as one script. */
import vm from 'node:vm';
import { expect, it } from 'vitest';
import { pageProgram } from './page-program.ts';

it('is one classic script that defines every function the bench calls', () => {
	const context = vm.createContext({
		performance,
		setInterval: () => 0,
		setTimeout: () => 0,
		postMessage: () => undefined,
	});
	vm.runInContext(pageProgram(), context);
	const { spillwayBench, spillwaySoundWorker } = context as {
		spillwayBench: Record<string, unknown>;
		spillwaySoundWorker: string;
	};
	const called = [
		...['startReading', 'collectReadings', 'collectDrawn', 'sendCanvasDirectly', 'sendCanvasByWhip', 'switchLayer'],
		...['showCanvasHere', 'answerOffer', 'acceptAnswer', 'playByWhep', 'playByHls', 'endSession', 'connectionFacts'],
		...['readNumber', 'hlsFacts', 'hlsHeights', 'showHlsHeight', 'playByShaka', 'shakaHeights', 'showShakaHeight'],
	];
	expect(called.filter((name) => typeof spillwayBench[name] !== 'function')).toEqual([]);
	const worker = vm.createContext({ performance });
	vm.runInContext(spillwaySoundWorker, worker);
	expect(typeof (worker as { onmessage?: unknown }).onmessage).toBe('function');
});
