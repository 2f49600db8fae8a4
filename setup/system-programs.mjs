/** The programs that the product and its tests start, their folders and their packages, as a table. */

/**
 * @typedef {import('./operating-system.mjs').PackageManager} PackageManager
 * @typedef {'ffmpeg' | 'chromium' | 'redis' | 'postgresql' | 'varnish' | 'nginx'} ProgramName
 *
 * @typedef {object} SystemProgram
 * @property {string} purpose For the message that it is missing.
 * @property {readonly string[]} names Accepted executables, best first.
 * @property {readonly string[]} folders Searched besides the PATH; `*` is a version.
 * @property {string} variable Passes its path to the started program, and lets the user choose another one.
 * @property {Record<PackageManager, string>} packages The argument for each package manager's install command.
 * @property {readonly string[]} [services] Services that the Debian package starts by default.
 */

/** @type {Record<ProgramName, SystemProgram>} */
export const SYSTEM_PROGRAMS = {
	ffmpeg: {
		purpose: 'decodes and encodes',
		names: ['ffmpeg'],
		folders: [],
		variable: 'FFMPEG_BIN',
		packages: {
			apt: 'ffmpeg',
			// Fedora's ffmpeg-free has no x264; RPM Fusion's package with it is called ffmpeg.
			dnf: 'ffmpeg',
			pacman: 'ffmpeg',
			zypper: 'ffmpeg',
			apk: 'ffmpeg',
			brew: 'ffmpeg',
		},
	},
	chromium: {
		purpose: 'plays in the end-to-end tests',
		names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
		folders: ['/Applications/Chromium.app/Contents/MacOS', '/Applications/Google Chrome.app/Contents/MacOS'],
		variable: 'CHROMIUM_BIN',
		packages: {
			apt: 'chromium',
			dnf: 'chromium',
			pacman: 'chromium',
			zypper: 'chromium',
			apk: 'chromium',
			brew: '--cask chromium',
		},
	},
	redis: {
		purpose: 'is tested as the bus',
		names: ['redis-server', 'valkey-server'],
		folders: ['/usr/sbin'],
		variable: 'REDIS_SERVER_BIN',
		packages: {
			apt: 'redis-server',
			dnf: 'valkey',
			pacman: 'valkey',
			zypper: 'redis',
			apk: 'redis',
			brew: 'redis',
		},
		services: ['redis-server.service'],
	},
	postgresql: {
		purpose: 'is tested as the database',
		names: ['postgres'],
		// Debian keeps server programs off the PATH, because several versions can be installed.
		folders: [
			'/usr/lib/postgresql/*/bin',
			'/usr/lib/postgresql*/bin',
			'/usr/pgsql-*/bin',
			'/opt/homebrew/opt/postgresql@*/bin',
			'/usr/local/opt/postgresql@*/bin',
		],
		variable: 'POSTGRES_BIN',
		packages: {
			apt: 'postgresql',
			dnf: 'postgresql-server',
			pacman: 'postgresql',
			zypper: 'postgresql-server',
			apk: 'postgresql',
			brew: 'postgresql@17',
		},
	},
	varnish: {
		purpose: 'is tested as a cache of live playlists and parts',
		names: ['varnishd'],
		folders: ['/usr/sbin'],
		variable: 'VARNISHD_BIN',
		packages: {
			apt: 'varnish',
			dnf: 'varnish',
			pacman: 'varnish',
			zypper: 'varnish',
			apk: 'varnish',
			brew: 'varnish',
		},
		services: ['varnish.service', 'varnishncsa.service'],
	},
	nginx: {
		purpose: 'is tested as a cache of segments and videos',
		names: ['nginx'],
		folders: ['/usr/sbin'],
		variable: 'NGINX_BIN',
		packages: {
			apt: 'nginx-light',
			dnf: 'nginx',
			pacman: 'nginx',
			zypper: 'nginx',
			apk: 'nginx',
			brew: 'nginx',
		},
		services: ['nginx.service'],
	},
};

const INSTALL_COMMANDS = {
	apt: 'apt-get install --no-install-recommends',
	dnf: 'dnf install',
	pacman: 'pacman -S',
	zypper: 'zypper install',
	apk: 'apk add',
	brew: 'brew install',
};

/**
 * The commands that install packages, for messages.
 *
 * @param {PackageManager | undefined} packageManager
 * @param {readonly string[]} packages
 * @param {{ isRoot: boolean }} user
 * @returns {string[]} One command per line.
 */
export function formatInstallCommands(packageManager, packages, { isRoot }) {
	if (packageManager === undefined) {
		return [`(with this system's package manager)  ${packages.join(' ')}`];
	}
	// Homebrew refuses to run as root.
	const prefix = isRoot || packageManager === 'brew' ? '' : 'sudo ';
	const install = `${prefix}${INSTALL_COMMANDS[packageManager]}`;
	// Each cask needs a separate command.
	const casks = packages.filter((name) => name.startsWith('--cask '));
	const others = packages.filter((name) => !name.startsWith('--cask '));
	return [
		...(packageManager === 'apt' ? [`${prefix}apt-get update`] : []),
		...(others.length > 0 ? [`${install} ${others.join(' ')}`] : []),
		...casks.map((cask) => `${install} ${cask}`),
	];
}
