/** Unit tests of publish-policy.ts: the whole table. */
import { expect, it } from 'vitest';
import { assertMayPublish, WHO_MAY_PUBLISH } from './publish-policy.ts';

const OWNERS = {
	nobody: { id: undefined, isKnown: false, isAdministrator: false },
	stranger: { id: 'a', isKnown: false, isAdministrator: false },
	approved: { id: 'b', isKnown: true, isAdministrator: false },
	administrator: { id: 'c', isKnown: true, isAdministrator: true },
};

it.each([
	['everybody', ['nobody', 'stranger', 'approved', 'administrator']],
	['approved', ['nobody', 'approved', 'administrator']],
	['administrators', ['nobody', 'administrator']],
] as const)('"%s" lets publish: %j', (whoMayPublish, expected) => {
	const allowed = Object.entries(OWNERS).filter(([, owner]) => {
		try {
			assertMayPublish(whoMayPublish, owner);
			return true;
		} catch (error) {
			expect(error).toMatchObject({ code: 'PUBLISHING_NOT_ALLOWED', httpStatus: 403 });
			return false;
		}
	});
	expect(allowed.map(([name]) => name)).toEqual(expected);
	expect(WHO_MAY_PUBLISH).toContain(whoMayPublish);
});
