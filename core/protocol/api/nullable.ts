/** The one way that answers say "there is none": null, so that the field is always there. */
import { Type, type TSchema, type TSchemaOptions, type TUnion, type TNull } from 'typebox';

/** The schema, or null. */
export function nullable<Schema extends TSchema>(
	schema: Schema,
	options: TSchemaOptions = {},
): TUnion<[Schema, TNull]> {
	return Type.Union([schema, Type.Null()], options);
}
