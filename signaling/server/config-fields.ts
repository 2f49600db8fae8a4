/** The kinds of field that the server's configuration has. */
import {
	Type,
	type TBoolean,
	type TInteger,
	type TNumber,
	type TNumberOptions,
	type TOptional,
	type TString,
	type TStringOptions,
} from 'typebox';
import type { ConfigFieldOptions } from '../../core/config/config-schema.ts';

/** Unlike TypeBox itself, these require a description for each field. */
export function field<Options extends ConfigFieldOptions & object>(options: Options): Options {
	return options;
}

export const integer = (options: ConfigFieldOptions & TNumberOptions): TInteger => Type.Integer(options);
export const number = (options: ConfigFieldOptions & TNumberOptions): TNumber => Type.Number(options);
export const boolean = (options: ConfigFieldOptions & { default: boolean }): TBoolean => Type.Boolean(options);
export const text = (options: ConfigFieldOptions & TStringOptions): TString => Type.String(options);
export const optionalText = (options: ConfigFieldOptions & TStringOptions): TOptional<TString> =>
	Type.Optional(text(options));

export function port(defaultPort: number, description: string): TInteger {
	return integer({ default: defaultPort, minimum: 0, maximum: 65_535, unit: 'port', description });
}
