/**
 * Renders the tables of docs/ from the code, and finds them there. Pure; the writing is done by write-docs-tables.ts.
 */
import type { ConfigField } from '../config/config-schema.ts';

/** Name of a table: it stands between `<!-- name -->` and `<!-- /name -->`. */
export type DocsTableName = 'errors' | 'configuration';

/** The error table: one row for each code, in the order of the source. */
export function renderErrorTable(
	codes: Readonly<Record<string, { readonly httpStatus: number; readonly message: string }>>,
): string {
	const rows = Object.entries(codes).map(([code, { httpStatus, message }]) => [
		`\`${code}\``,
		String(httpStatus),
		message.replaceAll('%s', '…'),
	]);
	return renderTable(['code', 'HTTP', 'message'], rows);
}

/** The configuration table: one row for each field, in the order of the schema. */
export function renderConfigurationTable(fields: readonly ConfigField[]): string {
	const rows = fields.map((field) => [
		`\`${field.path.join('.')}\``,
		`\`${field.environmentName}\``,
		renderDefault(field),
		[field.limits, field.unit ?? ''].filter((text) => text !== '').join(' '),
		field.description,
	]);
	return renderTable(['in the file', 'in the environment', 'default', 'limits', 'meaning'], rows);
}

function renderDefault(field: ConfigField): string {
	if (field.defaultValue === undefined) {
		return '–';
	}
	if (Array.isArray(field.defaultValue) && field.defaultValue.length === 0) {
		return 'none';
	}
	return `\`${String(field.defaultValue)}\``;
}

// A bar would end the cell, and a line break the row. Columns are not padded: one longer cell would change every row.
function renderTable(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
	const renderRow = (cells: readonly string[]): string =>
		`| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`;
	return [renderRow(head), renderRow(head.map(() => '---')), ...rows.map(renderRow)].join('\n');
}

/**
 * The table of that name as it stands in the text; undefined when the text has no such marks, or not one pair of them.
 */
export function findTable(text: string, name: DocsTableName): string | undefined {
	const parts = splitAtMarks(text, name);
	return parts?.table.trim();
}

/** The text with the table of that name replaced. Throws TypeError when there is no such place. */
export function replaceTable(text: string, name: DocsTableName, table: string): string {
	const parts = splitAtMarks(text, name);
	if (parts === undefined) {
		throw new TypeError(`The text needs one "<!-- ${name} -->" and, after it, one "<!-- /${name} -->".`);
	}
	return `${parts.before}\n\n${table}\n\n${parts.after}`;
}

function splitAtMarks(text: string, name: DocsTableName): { before: string; table: string; after: string } | undefined {
	const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
	const beginsAt = text.indexOf(begin);
	const endsAt = text.indexOf(end);
	if (beginsAt < 0 || endsAt < beginsAt || text.lastIndexOf(begin) !== beginsAt || text.lastIndexOf(end) !== endsAt) {
		return undefined;
	}
	const tableBeginsAt = beginsAt + begin.length;
	return { before: text.slice(0, tableBeginsAt), table: text.slice(tableBeginsAt, endsAt), after: text.slice(endsAt) };
}
