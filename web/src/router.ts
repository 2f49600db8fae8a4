/** Addresses and their pages. */
import { createRouter, createWebHistory, type RouteLocation } from 'vue-router';
import { DELIVERY_TIERS, type DeliveryTier } from '../../core/protocol/channel-description.ts';
import { parseChannelName } from '../../core/ids.ts';
import HomePage from './pages/HomePage.vue';

/** `?tier=webrtc` or `?tier=ll-hls` chooses the tier to begin with; real time otherwise. */
function channelProps(route: RouteLocation): { name: string; initialTier: DeliveryTier; key: string } {
	const name = String(route.params['name']).toLowerCase();
	const wanted = DELIVERY_TIERS.find((tier) => tier === route.query['tier']);
	return { name, initialTier: wanted ?? 'webrtc', key: name };
}

/** The router of the pages. */
export const router = createRouter({
	history: createWebHistory(),
	routes: [
		{ path: '/', component: HomePage },
		{
			path: '/:name',
			component: () => import('./pages/ChannelPage.vue'),
			props: channelProps,
			// What cannot be a channel's name need not be asked for.
			beforeEnter: (to) =>
				parseChannelName(String(to.params['name'])) !== undefined || {
					name: 'not-found',
					params: { path: to.path.slice(1) },
				},
		},
		{ path: '/:path(.*)*', name: 'not-found', component: () => import('./pages/NotFoundPage.vue') },
	],
	scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
});
