/** Tests of the tables of docs/ as text. */
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { listConfigFields } from '../config/config-schema.ts';
import { findTable, renderConfigurationTable, renderErrorTable, replaceTable } from './docs-tables.ts';

describe('renderErrorTable', () => {
	it('has a row for each code, with dots for the details', () => {
		const table = renderErrorTable({
			ONE: { httpStatus: 404, message: 'No "%s" | %s.' },
			TWO: { httpStatus: 500, message: 'Two.' },
		});
		expect(table).toBe(`| code | HTTP | message |
| --- | --- | --- |
| \`ONE\` | 404 | No "…" \\| …. |
| \`TWO\` | 500 | Two. |`);
	});
});

describe('renderConfigurationTable', () => {
	it('has a row for each field', () => {
		const schema = Type.Object({
			ingest: Type.Object({
				graceSeconds: Type.Integer({ default: 60, minimum: 0, maximum: 1800, unit: 's', description: 'How long.' }),
			}),
			names: Type.Array(Type.String(), { default: [], description: 'Names.' }),
			url: Type.Optional(Type.String({ environmentName: 'DATABASE_URL', description: 'Where.' })),
		});
		expect(renderConfigurationTable(listConfigFields(schema)))
			.toBe(`| in the file | in the environment | default | limits | meaning |
| --- | --- | --- | --- | --- |
| \`ingest.graceSeconds\` | \`SPILLWAY_INGEST_GRACE_SECONDS\` | \`60\` | 0–1800 s | How long. |
| \`names\` | \`SPILLWAY_NAMES\` | none | list | Names. |
| \`url\` | \`DATABASE_URL\` | – |  | Where. |`);
	});
});

describe('replaceTable', () => {
	const text = 'a\n<!-- errors -->\nold\n<!-- /errors -->\nb\n';

	it('replaces the text between the marks, and finds it again', () => {
		const replaced = replaceTable(text, 'errors', '| new |');
		expect(replaced).toBe('a\n<!-- errors -->\n\n| new |\n\n<!-- /errors -->\nb\n');
		expect(findTable(replaced, 'errors')).toBe('| new |');
		expect(replaceTable(replaced, 'errors', '| new |')).toBe(replaced);
	});

	it.each(['', '<!-- errors -->', '<!-- /errors --><!-- errors -->', `${text}${text}`])('refuses %j', (wrong) => {
		expect(findTable(wrong, 'errors')).toBeUndefined();
		expect(() => replaceTable(wrong, 'errors', '')).toThrow(TypeError);
	});
});
