/** `/api/v1/users` and `/api/v1/session`: accounts, and who is logged in. */
import { Type, type Static } from 'typebox';
import { nullable } from './nullable.ts';

/**
 * `viewer`: has an account. `streamer`: has a channel. `moderator`: moderates the whole site. `admin`: may do
 * everything. Owning a channel and moderating one channel's chat are not roles, but facts in the database.
 */
export const USER_ROLES = ['viewer', 'streamer', 'moderator', 'admin'] as const;
export type UserRole = (typeof USER_ROLES)[number];

/** The body of sign-up and log-in. */
export const credentialsSchema = Type.Object(
	{ name: Type.String({ maxLength: 64 }), password: Type.String({ maxLength: 512 }) },
	{ additionalProperties: false },
);
export type Credentials = Static<typeof credentialsSchema>;

export const passwordChangeSchema = Type.Object(
	{ currentPassword: Type.String({ maxLength: 512 }), newPassword: Type.String({ maxLength: 512 }) },
	{ additionalProperties: false },
);
export type PasswordChange = Static<typeof passwordChangeSchema>;

/** An account as its owner sees it. */
const userAccountSchema = Type.Object({
	id: Type.String(),
	name: Type.String(),
	role: Type.Enum([...USER_ROLES]),
	channels: Type.Array(Type.Object({ id: Type.String(), name: Type.String() }), {
		description: 'Channels that the account owns.',
	}),
});
export type UserAccount = Static<typeof userAccountSchema>;

export const userAnswerSchema = Type.Object({ user: userAccountSchema });
export type UserAnswer = Static<typeof userAnswerSchema>;

export const sessionAnswerSchema = Type.Object({
	user: nullable(userAccountSchema, {
		description: 'Null: nobody is signed in, or the ten minutes are over; try a refresh.',
	}),
});
export type SessionAnswer = Static<typeof sessionAnswerSchema>;

/** Parameters of `/api/v1/users/{user}/publishing`. */
export const userParamsSchema = Type.Object({
	user: Type.String({ maxLength: 64, description: 'Name of the account.' }),
});
export type UserParams = Static<typeof userParamsSchema>;
