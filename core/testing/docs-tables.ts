/** Renders the tables of docs/ from the code, and finds them there. Pure; write-docs-tables.ts writes them. */
import type { ConfigField } from '../config/config-schema.ts';

/** The table is between `<!-- name -->` and `<!-- /name -->`. */
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

// A bar ends a cell, and a line break a row. Columns are not padded, because a longer cell then changes every row.
function renderTable(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
	const renderRow = (cells: readonly string[]): string =>
		`| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`;
	return [renderRow(head), renderRow(head.map(() => '---')), ...rows.map(renderRow)].join('\n');
}

/** The table of that name in the text; undefined when the text does not have exactly one pair of its marks. */
export function findTable(text: string, name: DocsTableName): string | undefined {
	return splitAtMarks(text, name)?.table.trim();
}

/** The text with the table of that name replaced. Throws a TypeError when {@link findTable} does not find it. */
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
