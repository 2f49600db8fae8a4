/**
 * Lint rules; each message says why. Types and formatting are tsc's and prettier's; import cycles a project-rule
 * test's.
 */
import vue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';
import vueParser from 'vue-eslint-parser';

const timeRules = [
	{
		selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
		message: 'Take time from a Clock (core/lifecycle/clock.ts), so that tests own it.',
	},
	{
		selector: 'CallExpression[callee.name=/^(setTimeout|setInterval)$/]',
		message: 'Take timers from a Clock (core/lifecycle/clock.ts), so that tests own them and none outlives its owner.',
	},
	{
		selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
		message: 'Use crypto for secrets and ids, or a seeded generator in tests.',
	},
];

const literalRule = {
	selector: 'SpreadElement > ObjectExpression',
	message: 'Name the fields one by one; a literal that is spread only saves the formatter lines.',
};
/** Comments and code; a text between quotes may be longer, because it is compared, logged or shown as it is. */
const widthRule = {
	code: 120,
	tabWidth: 2,
	ignoreStrings: true,
	ignoreTemplateLiterals: true,
	ignoreRegExpLiterals: true,
	ignoreUrls: true,
};

/** The same for all files: other extensions for some of them would load the program again for each. */
const typed = { projectService: true, tsconfigRootDir: import.meta.dirname, extraFileExtensions: ['.vue'] };
const NODE_GLOBALS = ['process', 'Buffer', 'global', 'require', 'module', '__dirname', '__filename', 'setImmediate'];

export default tseslint.config(
	{ ignores: ['node_modules/', 'web/dist/', 'data/'] },
	...tseslint.configs.recommended,
	...vue.configs['flat/essential'].map((config) => ({ ...config, files: config.files ?? ['web/**'] })),
	{ files: ['**/*.ts'], languageOptions: { parserOptions: typed } },
	{
		files: ['**/*.vue'],
		languageOptions: { parser: vueParser, parserOptions: { ...typed, parser: tseslint.parser } },
	},
	{
		files: ['**/*.ts', '**/*.vue'],
		rules: {
			curly: ['error', 'all'],
			eqeqeq: 'error',
			'no-console': 'error',
			'@typescript-eslint/no-floating-promises': 'error',
			'@typescript-eslint/no-misused-promises': [
				'error',
				{ checksVoidReturn: { attributes: false, properties: false, arguments: false } },
			],
			'@typescript-eslint/no-explicit-any': 'error',
			'@typescript-eslint/consistent-type-imports': 'error',
			'@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
			'no-restricted-syntax': ['error', ...timeRules, literalRule],
			'max-len': ['error', widthRule],
		},
	},
	{
		files: [
			'**/*.test.ts',
			'**/*.bench.ts',
			'core/lifecycle/clock.ts',
			'signaling/main.ts',
			'loadtest/**',
			'setup/**',
			'core/testing/**',
			'web/build.ts',
		],
		rules: { 'no-restricted-syntax': ['error', literalRule], 'no-console': 'off' },
	},
	{
		files: ['web/src/**'],
		rules: {
			'no-restricted-globals': [
				'error',
				...NODE_GLOBALS.map((name) => ({ name, message: 'The pages run in a browser, which does not have it.' })),
			],
		},
	},
);
