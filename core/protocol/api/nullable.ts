/** A schema or null: the one form of a missing value in answers, so that the field is always present. */
import { Type, type TSchema, type TSchemaOptions, type TUnion, type TNull } from 'typebox';

export function nullable<Schema extends TSchema>(
	schema: Schema,
	options: TSchemaOptions = {},
): TUnion<[Schema, TNull]> {
	return Type.Union([schema, Type.Null()], options);
}
