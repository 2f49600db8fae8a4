/** Builds the pages into a folder. `web/build.ts` starts it as a separate process. */
import path from 'node:path';
import { build } from 'vite';

const [outputFolder] = process.argv.slice(2);
await build({
	configFile: path.join(import.meta.dirname, 'vite.config.ts'),
	logLevel: 'warn',
	build: { outDir: outputFolder!, emptyOutDir: true },
});
