/** What the share dialog offers to copy. */
import { describe, expect, it } from 'vitest';
import { embedCode, shareLink } from './share-links.ts';

describe('share links', () => {
	it('lead to the video, with a time where one is asked for', () => {
		expect(shareLink('https://live.example', '/videos/01abc')).toBe('https://live.example/videos/01abc');
		expect(shareLink('https://live.example', '/videos/01abc', 3723.8)).toBe(
			'https://live.example/videos/01abc?t=1h2m3s',
		);
	});

	it('cannot be broken out of by a title', () => {
		const code = embedCode('https://live.example', '/clips/01abc', `"><script>alert('x')</script>&`);
		expect(code).toContain('src="https://live.example/embed/clips/01abc"');
		expect(code.match(/[<>]/g)).toHaveLength(4);
		expect(code.match(/"/g)!.length % 2).toBe(0);
		expect(code).toContain('title="&#34;&#62;&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;"');
	});
});
