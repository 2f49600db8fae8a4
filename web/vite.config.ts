/** How Vite bundles the pages. Runs on Node. */
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vite';

export default defineConfig({
	root: fileURLToPath(new URL('.', import.meta.url)),
	plugins: [vue()],
	build: {
		target: 'es2023',
		// For hls.js, which is a separate chunk that WebRTC viewers do not need.
		chunkSizeWarningLimit: 600,
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
	},
	server: {
		// `vite` alone gives hot reload, with a server on its default port.
		proxy: Object.fromEntries(['/api', '/whep', '/hls'].map((prefix) => [prefix, 'http://127.0.0.1:8080'])),
	},
});
