/** Rewrites the README's tables from the code: `node core/testing/write-readme-tables.ts`. A test compares them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listConfigFields } from '../config/config-schema.ts';
import { ERROR_CODES } from '../errors/errors.ts';
// The one place in core/ that may look upwards: it is a tool, and no part of the product imports it.
import { SERVER_CONFIG_SCHEMA } from '../../signaling/server/server-config.ts';
import { renderConfigurationTable, renderErrorTable, replaceTable } from './readme-tables.ts';

const readmePath = join(import.meta.dirname, '..', '..', 'README.md');
const before = readFileSync(readmePath, 'utf8');
const withErrors = replaceTable(before, 'errors', renderErrorTable(ERROR_CODES));
const fields = listConfigFields(SERVER_CONFIG_SCHEMA);
const after = replaceTable(withErrors, 'configuration', renderConfigurationTable(fields));
if (after !== before) {
	writeFileSync(readmePath, after);
}
console.log(after === before ? 'The tables of README.md were up to date.' : 'The tables of README.md were rewritten.');
