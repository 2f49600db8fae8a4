/** Tests of the publish policy: the whole table. */
import { expect, it } from 'vitest';
import { assertMayPublish, WHO_MAY_PUBLISH } from './publish-policy.ts';

const OWNERS = {
	none: { id: undefined, isKnown: false, isAdministrator: false },
	unapproved: { id: 'a', isKnown: false, isAdministrator: false },
	approved: { id: 'b', isKnown: true, isAdministrator: false },
	administrator: { id: 'c', isKnown: true, isAdministrator: true },
};

it.each([
	['everybody', ['none', 'unapproved', 'approved', 'administrator']],
	['approved', ['none', 'approved', 'administrator']],
	['administrators', ['none', 'administrator']],
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
