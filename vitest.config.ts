/** Which tests run where: `unit` has no sockets and no processes, `integration` has both, `e2e` starts the product. */
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

const FOLDERS = '{core,sfu,ingest,packager,signaling,web,loadtest,setup}';

export default defineConfig({
	test: {
		// Integration tests mostly wait for media: two files at a time take half the time, also on one core.
		maxWorkers: 2,
		// What `npm run test:coverage` reports: the player, and the legs from a publisher to the tiers. What only Chromium
		// and FFmpeg reach is tested end to end and not counted.
		coverage: {
			include: ['web/src/**/*.ts', 'ingest/media-graph/**/*.ts'],
			exclude: ['**/testing/**', '**/*.d.ts'],
			reporter: ['text'],
			reportsDirectory: 'node_modules/.cache/checks/coverage',
		},
		projects: [
			{
				plugins: [vue()],
				test: {
					name: 'unit',
					include: [`${FOLDERS}/**/*.test.ts`, 'setup/**/*.test.mjs'],
					exclude: ['**/*.integration.test.*', '**/*.e2e.test.*', '**/node_modules/**'],
					// The default of 5 s was met by thousands of random cases on a busy machine.
					testTimeout: 60_000,
					// Unit tests leave nothing behind, so their files may share threads and modules: half the time.
					pool: 'threads',
					isolate: false,
				},
			},
			{
				test: {
					name: 'integration',
					include: [`${FOLDERS}/**/*.integration.test.ts`, 'setup/**/*.integration.test.mjs'],
					exclude: ['**/node_modules/**'],
					testTimeout: 60_000,
					hookTimeout: 60_000,
				},
			},
			{
				test: {
					name: 'e2e',
					include: [`${FOLDERS}/**/*.e2e.test.ts`],
					exclude: ['**/node_modules/**'],
					testTimeout: 180_000,
					hookTimeout: 120_000,
					// One product at a time: on two cores a second one would make the first look slow.
					fileParallelism: false,
				},
			},
		],
	},
});
