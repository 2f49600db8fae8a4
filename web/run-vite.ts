/** Builds the pages into the folder that is named. A program of its own; `web/build.ts` starts it. */
import path from 'node:path';
import { build } from 'vite';

const [outputFolder] = process.argv.slice(2);
await build({
	configFile: path.join(import.meta.dirname, 'vite.config.ts'),
	logLevel: 'warn',
	build: { outDir: outputFolder!, emptyOutDir: true },
});
