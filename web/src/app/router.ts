/** The routes of the pages. */
import { createRouter, createWebHistory, type RouteLocation, type RouteLocationRaw } from 'vue-router';
import { parseChannelName } from '../../../core/ids.ts';
import { parseTime } from './texts/time-text.ts';
import HomePage from '../features/discovery/HomePage.vue';
import { DELIVERY_TIERS, type DeliveryTier } from '../../../core/protocol/tiers.ts';

/** `?tier=webrtc` or `?tier=ll-hls` chooses the first tier. */
function channelProps(route: RouteLocation): { name: string; initialTier: DeliveryTier | undefined; key: string } {
	const name = String(route.params['name']).toLowerCase();
	const wanted = DELIVERY_TIERS.find((tier) => tier === route.query['tier']);
	return { name, initialTier: wanted, key: name };
}

/** `?t=1h2m3s`, or seconds, chooses where to begin. */
function videoProps(route: RouteLocation): { id: string; askedSeconds: number | undefined; key: string } {
	const id = String(route.params['id']);
	const time = route.query['t'];
	return { id, askedSeconds: typeof time === 'string' ? parseTime(time) : undefined, key: id };
}

function clipProps(route: RouteLocation): { id: string; key: string } {
	const id = String(route.params['id']);
	return { id, key: id };
}

/** A path that cannot be a channel's name is not found, without a request. */
function mustBeChannelName(to: RouteLocation): true | RouteLocationRaw {
	return (
		parseChannelName(String(to.params['name'])) !== undefined || {
			name: 'not-found',
			params: { path: to.path.slice(1).split('/') },
		}
	);
}

export const router = createRouter({
	history: createWebHistory(),
	routes: [
		{ path: '/', component: HomePage },
		{ path: '/login', component: () => import('../features/account/LoginPage.vue') },
		{ path: '/signup', component: () => import('../features/account/SignupPage.vue') },
		{ path: '/settings', component: () => import('../features/account/SettingsPage.vue') },
		{ path: '/dashboard', component: () => import('../features/dashboard/DashboardPage.vue') },
		{ path: '/videos/:id', component: () => import('../features/videos/VideoPage.vue'), props: videoProps },
		{
			path: '/embed/videos/:id',
			component: () => import('../features/videos/VideoEmbedPage.vue'),
			// `?autoplay=1`: begins by itself.
			props: (route) => ({ ...videoProps(route), isAutoplay: route.query['autoplay'] === '1' }),
			meta: { isBare: true },
		},
		{ path: '/clips/:id', component: () => import('../features/clips/ClipPage.vue'), props: clipProps },
		{
			path: '/embed/clips/:id',
			component: () => import('../features/clips/ClipEmbedPage.vue'),
			props: (route) => ({ ...clipProps(route), isAutoplay: route.query['autoplay'] === '1' }),
			meta: { isBare: true },
		},
		{
			path: '/:name/videos',
			component: () => import('../features/watch/ChannelVideosPage.vue'),
			// `?show=clips`: the clips.
			props: ({ params, query }) => {
				const name = String(params['name']).toLowerCase();
				return { name, areClips: query['show'] === 'clips', key: name };
			},
			beforeEnter: mustBeChannelName,
		},
		{
			path: '/embed/:name',
			component: () => import('../features/watch/EmbedPage.vue'),
			props: channelProps,
			// In another site's frame: no header, no footer.
			meta: { isBare: true },
			beforeEnter: mustBeChannelName,
		},
		{
			path: '/:name',
			component: () => import('../features/watch/ChannelPage.vue'),
			props: channelProps,
			beforeEnter: mustBeChannelName,
		},
		{ path: '/:path(.*)*', name: 'not-found', component: () => import('./NotFoundPage.vue') },
	],
	// A changed filter or tab is the same page, and keeps its scroll position.
	scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});
