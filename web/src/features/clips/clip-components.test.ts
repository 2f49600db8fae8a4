/**
 * The components of clips in a happy-dom page: the trim bar, and what follows the press of the clip button.
 * @vitest-environment happy-dom
 */
import { flushPromises, mount, RouterLinkStub } from '@vue/test-utils';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { defineComponent, h } from 'vue';
import type { ClipCreation } from '../../../../core/protocol/api/clip.ts';
import ClipMade from '../clipping/ClipMade.vue';
import { useClipping } from '../clipping/use-clipping.ts';
import { trimSpan, type TrimSelection, type TrimSource } from './trim.ts';
import TrimBar from './TrimBar.vue';

const SOURCE: TrimSource = {
	playlistUrl: '/vod/c/x/index.m3u8',
	startSeconds: 30,
	endSeconds: 90,
	earliestSeconds: 0,
	latestSeconds: 90,
	frameSeconds: 0.04,
};

describe('TrimBar', () => {
	it('has two sliders that say their place, and move by keys', async () => {
		const span = trimSpan(SOURCE);
		const bar = mount(TrimBar, { props: { span, selection: { start: 0, end: 1500 }, positionSeconds: 30 } });
		const [start, end] = bar.findAll('[role=slider]');
		expect([start!.attributes('aria-valuetext'), end!.attributes('aria-valuetext')]).toEqual(['0:30.00', '1:30.00']);
		expect(start!.attributes()).toMatchObject({ 'aria-valuemin': '0', 'aria-valuemax': '89', tabindex: '0' });
		await start!.trigger('keydown', { key: 'ArrowRight' });
		await start!.trigger('keydown', { key: 'ArrowLeft', shiftKey: true });
		await end!.trigger('keydown', { key: 'ArrowRight' });
		await end!.trigger('keydown', { key: 'Tab' });
		const moved: Array<[TrimSelection, string]> = [
			[{ start: 1, end: 1500 }, 'start'],
			[{ start: -25, end: 1500 }, 'start'],
			[{ start: 0, end: 1500 }, 'end'],
		];
		expect(bar.emitted('select')).toEqual(moved);
	});
});

describe('making a clip', () => {
	afterEach(() => vi.unstubAllGlobals());

	function mountClipping(answers: Record<string, [status: number, body: object]>) {
		const sent: Array<[route: string, body: unknown]> = [];
		vi.stubGlobal('fetch', (url: string, { method = 'GET', body }: RequestInit) => {
			const route = `${method} ${url}`;
			sent.push([route, typeof body === 'string' ? (JSON.parse(body) as ClipCreation) : undefined]);
			const [status, answer] = answers[route] ?? [500, {}];
			return Promise.resolve(new Response(JSON.stringify(answer), { status }));
		});
		const wrapper = mount(
			defineComponent({
				setup() {
					const clipping = useClipping({
						source: () => ({ channel_id: 'c' }),
						pictureAt: (atMs) => ({ captureTimeMs: 1000 + atMs, tier: 'webrtc' }),
					});
					return () => [
						h('button', { class: 'make', onClick: () => clipping.make(7) }),
						h(ClipMade, { clipping, broadcastTitle: 'Ada paints', returnPath: () => '/ada' }),
					];
				},
			}),
			{ attachTo: document.body, global: { stubs: { RouterLink: RouterLinkStub } } },
		);
		return { wrapper, sent };
	}

	it('sends the picture of the press, and offers the page, the link and the title', async () => {
		const { wrapper, sent } = mountClipping({
			'GET /api/v1/session': [200, { user: { id: 'u', name: 'ada', channels: [] } }],
			'POST /api/v1/clips': [201, { clip_id: '01c', url: '/clips/01c' }],
			'PATCH /api/v1/clips/01c': [200, {}],
		});
		window.dispatchEvent(new KeyboardEvent('keydown', { key: 'x' }));
		expect(sent).toEqual([]);
		await wrapper.get('.make').trigger('click');
		await flushPromises();
		expect(sent.find(([route]) => route.startsWith('POST'))?.[1]).toEqual({
			channel_id: 'c',
			captured_at_ms: 1007,
			tier: 'webrtc',
		});
		expect(wrapper.get('.open').attributes('href')).toBe('/clips/01c');
		await wrapper.get('input').setValue('  The fall ');
		await wrapper.get('form').trigger('submit');
		await flushPromises();
		expect(sent.at(-1)).toEqual(['PATCH /api/v1/clips/01c', { title: 'The fall' }]);
		expect(wrapper.text()).toContain('Title saved.');
		await wrapper.get('.close').trigger('click');
		expect(wrapper.find('.clip-made').exists()).toBe(false);
		wrapper.unmount();
	});

	it('says why there is none, and tries again with the same picture', async () => {
		const problem = { code: 'CLIP_MOMENT_MISSING', title: '', detail: 'Nothing is recorded of that moment.' };
		const { wrapper, sent } = mountClipping({ 'POST /api/v1/clips': [409, problem] });
		window.dispatchEvent(new KeyboardEvent('keydown', { key: '≈', code: 'KeyX', altKey: true, cancelable: true }));
		await flushPromises();
		expect(wrapper.get('.clip-made').text()).toContain('Nothing is recorded of that moment.');
		const [first] = sent.filter(([route]) => route.startsWith('POST'));
		await wrapper.get('.actions button').trigger('click');
		await flushPromises();
		expect(sent.filter(([route]) => route.startsWith('POST'))[1]).toEqual(first);
		wrapper.unmount();
	});

	it('leads visitors to the log-in, and back', async () => {
		// Without locks, which this page has not whole.
		vi.stubGlobal('navigator', {});
		const { wrapper } = mountClipping({ 'POST /api/v1/clips': [401, { code: 'SIGN_IN_REQUIRED', detail: '' }] });
		await wrapper.get('.make').trigger('click');
		await vi.waitFor(() => expect(wrapper.text()).toContain('Log in to make clips'));
		const links = wrapper.findAllComponents(RouterLinkStub).map((link) => String(link.props('to')));
		expect(links).toEqual(['/login?next=%2Fada', '/signup?next=%2Fada']);
		wrapper.unmount();
	});
});
