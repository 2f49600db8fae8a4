/** Starts the pages. */
import { createApp } from 'vue';
import App from './App.vue';
import '../design/tokens.css';
import '../design/base.css';
import { router } from './router.ts';

// Leaving a page ends its player, so a page restored from the back/forward cache must reload.
window.addEventListener('pageshow', (event) => {
	if (event.persisted) {
		window.location.reload();
	}
});

createApp(App).use(router).mount('#app');
