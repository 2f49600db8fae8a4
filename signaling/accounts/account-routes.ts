/** `/api/v1/users` and `/api/v1/session`: signing up, logging in and out, who is logged in, and their password. */
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { SpillwayError } from '../../core/errors/errors.ts';
import {
	credentialsSchema,
	passwordChangeSchema,
	sessionAnswerSchema,
	userAnswerSchema,
	type Credentials,
	type PasswordChange,
	type SessionAnswer,
	type UserAnswer,
} from '../../core/protocol/api/account.ts';
import { refusals } from '../platform/http/schema-validation.ts';
import type { AccountService, LogIn } from './account-service.ts';
import { limitedRoutes, prepareApiRoutes } from './route-options.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import type { RequestOrigin } from './request-origin.ts';
import type { SessionCookies } from './session-cookies.ts';

type AccountRoutesDependencies = {
	accounts: AccountService;
	authenticator: TokenAuthenticator;
	cookies: SessionCookies;
	origin: RequestOrigin;
};

export function createAccountRoutes(deps: AccountRoutesDependencies): FastifyPluginAsync {
	const { accounts, authenticator, cookies, origin } = deps;
	const signIn = (reply: FastifyReply, { user, tokens }: LogIn): UserAnswer => {
		cookies.set(reply, tokens);
		return { user };
	};
	return async (app) => {
		await prepareApiRoutes(app, origin);
		const options = limitedRoutes('accounts');
		app.post<{ Body: Credentials }>(
			'/api/v1/users',
			options('signUp', {
				summary: 'Sign up',
				description: 'Makes an account and logs it in.',
				body: credentialsSchema,
				response: { 201: userAnswerSchema, ...refusals(400, 403, 409, 429, 503) },
			}),
			async (request, reply) => reply.code(201).send(signIn(reply, await accounts.signUp(request.body, request.ip))),
		);
		app.post<{ Body: Credentials }>(
			'/api/v1/session',
			options('logIn', {
				summary: 'Log in',
				description: 'Sets two cookies that scripts cannot read.',
				body: credentialsSchema,
				response: { 200: userAnswerSchema, ...refusals(400, 401, 403, 429, 503) },
			}),
			async (request, reply) => {
				const isSignedIn = (await authenticator.authenticate(request)) !== undefined;
				return signIn(reply, await accounts.logIn(request.body, request.ip, isSignedIn));
			},
		);
		app.post(
			'/api/v1/session/refresh',
			options('refresh', {
				summary: 'Stay logged in',
				description:
					'Replaces both cookies. The old refresh token is worth nothing after that; using it again ends the session.',
				response: { 200: userAnswerSchema, ...refusals(401, 403, 429, 503) },
			}),
			async (request, reply) => {
				try {
					const token = cookies.readRefresh(request);
					if (token === undefined) {
						throw new SpillwayError('REFRESH_REFUSED');
					}
					return signIn(reply, await accounts.refresh(token, request.ip));
				} catch (error) {
					if (error instanceof SpillwayError && error.code === 'REFRESH_REFUSED') {
						cookies.clear(reply);
					}
					throw error;
				}
			},
		);
		app.delete(
			'/api/v1/session',
			options('change', { summary: 'Log out', response: { 204: Type.Null(), ...refusals(403, 429, 503) } }),
			async (request, reply) => {
				// Cleared first, so that the browser is logged out even while the database is unavailable.
				cookies.clear(reply);
				await accounts.logOut(cookies.readRefresh(request), await authenticator.authenticate(request));
				return reply.code(204).send();
			},
		);
		app.put<{ Body: PasswordChange }>(
			'/api/v1/session/password',
			options('logIn', {
				summary: 'Change the password',
				description: 'Ends all other log-ins of the account.',
				body: passwordChangeSchema,
				response: { 204: Type.Null(), ...refusals(400, 401, 403, 429, 503) },
			}),
			async (request, reply) => {
				const user = await authenticator.userOf(request);
				const { currentPassword: current, newPassword: next } = request.body;
				await accounts.changePassword(user, { current, next }, request.ip);
				return reply.code(204).send();
			},
		);
		app.get(
			'/api/v1/session',
			{
				schema: {
					tags: ['accounts'],
					summary: 'Who is logged in',
					response: { 200: sessionAnswerSchema, ...refusals(503) },
				},
			},
			async (request): Promise<SessionAnswer> => {
				const user = await authenticator.authenticate(request);
				return { user: user === undefined ? null : ((await accounts.describe(user)) ?? null) };
			},
		);
	};
}
