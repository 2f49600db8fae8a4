/** Creates an embedded database: `node pglite-create.ts <folder>`. Ends with a code other than 0 when that fails. */
import { startPglite } from './pglite-start.ts';

const database = await startPglite(process.argv[2]!);
await database.close();
