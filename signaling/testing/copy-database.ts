/** Makes an embedded database for a server that is measured: `node copy-database.ts <folder>`. */
import { copyDatabaseTemplate } from './database-template.ts';

await copyDatabaseTemplate(process.argv[2]!);
