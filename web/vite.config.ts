/** How the pages are bundled. Runs on Node; the pages themselves know nothing of it. */
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
	root: fileURLToPath(new URL('.', import.meta.url)),
	plugins: [vue()],
	build: {
		target: 'es2023',
		// One chunk for hls.js, so that WebRTC viewers need not wait for it; the limit is a budget, not a wish.
		chunkSizeWarningLimit: 600,
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
	},
	server: {
		// `vite` alone gives hot reload against a server that runs beside it with its defaults.
		proxy: Object.fromEntries(['/api', '/whep', '/hls'].map((prefix) => [prefix, 'http://127.0.0.1:8080'])),
	},
});
