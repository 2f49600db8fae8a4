/**
 * Starts the pages. For tests and the measuring bench a page with a player has `window.__spillway.statistics`: the
 * PlaybackStatistics (playback/playback.ts) of the playback that is watched, undefined while there is none.
 */
import { createApp } from 'vue';
import App from './App.vue';
import '../design/tokens.css';
import '../design/base.css';
import { router } from './router.ts';

// Leaving a page ends its player; one that the browser kept and shows again must begin anew.
window.addEventListener('pageshow', (event) => {
	if (event.persisted) {
		window.location.reload();
	}
});

createApp(App).use(router).mount('#app');
