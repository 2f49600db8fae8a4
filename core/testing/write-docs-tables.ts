/** Rewrites the tables in docs/ from the code: `npm run docs:tables`. A test compares them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listConfigFields } from '../config/config-schema.ts';
import { ERROR_CODES } from '../errors/errors.ts';
// The only product import from core/ upwards: this is a tool that no part of the product imports.
import { SERVER_CONFIG_SCHEMA } from '../../signaling/server/server-config.ts';
import { renderConfigurationTable, renderErrorTable, replaceTable, type DocsTableName } from './docs-tables.ts';

const TABLES: Readonly<Record<DocsTableName, string>> = {
	errors: renderErrorTable(ERROR_CODES),
	configuration: renderConfigurationTable(listConfigFields(SERVER_CONFIG_SCHEMA)),
};

for (const [name, table] of Object.entries(TABLES)) {
	const file = join(import.meta.dirname, '..', '..', 'docs', `${name}.md`);
	const before = readFileSync(file, 'utf8');
	const after = replaceTable(before, name as DocsTableName, table);
	if (after !== before) {
		writeFileSync(file, after);
	}
	console.log(`docs/${name}.md ${after === before ? 'was up to date' : 'was rewritten'}.`);
}
