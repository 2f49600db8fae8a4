/** Derives, from the apt sources of a machine, the list for the *source* packages of its distribution. Pure. */

/**
 * One source in the form of sources.list(5), either style.
 *
 * @typedef {object} AptSource
 * @property {string[]} types `deb`, `deb-src`.
 * @property {string[]} uris
 * @property {string[]} suites
 * @property {string[]} components
 * @property {Record<string, string>} options Names in the deb822 style (`Signed-By`), for files of either style.
 */

/** Options of binary packages or of the machine's lists; others (keys, dates, proxies) are kept. */
const DROPPED_OPTIONS = new Set(['architectures', 'languages', 'targets', 'enabled']);

/** Other archives use Debian's suite names too (`bookworm stable`), but only the distribution has these components. */
const DISTRIBUTION_COMPONENTS = new Set(['main', 'universe']);

/**
 * Abbreviations of the one-line style (sources.list(5)).
 *
 * @type {Record<string, string>}
 */
const ONE_LINE_NAMES = { arch: 'Architectures', lang: 'Languages', target: 'Targets' };

/** Suites that change their release. */
const MOVING_SUITES = ['stable', 'oldstable', 'testing', 'unstable', 'sid'];

/**
 * Parses a file in the one-line style (`*.list`).
 *
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseOneLineSources(text) {
	/** @type {AptSource[]} */
	const sources = [];
	for (const rawLine of text.split('\n')) {
		const line = rawLine.replace(/#.*$/, '').trim();
		// deb [option=value option=value] uri suite component component
		const match = /^(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(line);
		if (match === null) {
			continue;
		}
		const [, type = '', optionText = '', uri = '', suite = '', componentText = ''] = match;
		/** @type {Record<string, string>} */
		const options = {};
		for (const option of splitWords(optionText)) {
			const separator = option.indexOf('=');
			// `lang+=de` and `lang-=de` change a default; no option that is kept is a list.
			const name = option.slice(0, separator).replace(/[+-]$/, '');
			options[ONE_LINE_NAMES[name] ?? capitalizeWords(name)] = option.slice(separator + 1);
		}
		sources.push({ types: [type], uris: [uri], suites: [suite], components: splitWords(componentText), options });
	}
	return sources;
}

/**
 * Parses a file in the deb822 style (`*.sources`).
 *
 * @param {string} text
 * @returns {AptSource[]}
 */
export function parseDeb822Sources(text) {
	/** @type {AptSource[]} */
	const sources = [];
	// Comment lines inside a stanza do not end it; empty lines do.
	for (const stanza of text.replace(/^#[^\n]*\n?/gm, '').split(/\n\s*\n/)) {
		/** @type {Record<string, string>} */
		const fields = {};
		let current;
		for (const line of stanza.split('\n')) {
			const [, name, value] = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line) ?? [];
			if (name !== undefined && value !== undefined) {
				// Field names are case-insensitive.
				current = capitalizeWords(name.toLowerCase());
				fields[current] = value.trim();
			} else if (/^\s+\S/.test(line) && current !== undefined) {
				// A continuation line of a list, or of a key in the file (Signed-By).
				fields[current] += `\n${line.replace(/\s+$/, '')}`;
			}
		}
		const {
			['Types']: Types,
			['Uris']: Uris,
			['Suites']: Suites,
			['Components']: Components = '',
			...options
		} = fields;
		if (Types === undefined || Uris === undefined || Suites === undefined) {
			continue;
		}
		if (/^(no|false|0|off|disable)$/i.test(options['Enabled'] ?? '')) {
			continue;
		}
		sources.push({
			types: splitWords(Types),
			uris: splitWords(Uris),
			suites: splitWords(Suites),
			components: splitWords(Components),
			options,
		});
	}
	return sources;
}

/**
 * Derives a deb822 file with source packages of the distribution only. The archive of a third party must not be able to
 * provide the code that encrypts the media: apt uses the highest version of all archives.
 *
 * @param {readonly AptSource[]} sources Of the machine.
 * @param {string} codename The release's name, from os-release: `bookworm`.
 * @returns {string} The text of a `.sources` file; empty when the machine has no source of its distribution.
 */
export function deriveSourcePackageList(sources, codename) {
	const isOfDistribution = (/** @type {string} */ suite) => {
		const base = suite.replace(/\/.*$/, '').replace(/-(updates|security|proposed-updates)$/, '');
		return base === codename || MOVING_SUITES.includes(base);
	};
	const stanzas = new Set();
	for (const source of sources) {
		const suites = source.suites.filter(isOfDistribution);
		const components = source.components.filter((component) => DISTRIBUTION_COMPONENTS.has(component));
		if (suites.length === 0 || components.length === 0) {
			continue;
		}
		const options = Object.entries(source.options).filter(([name]) => !DROPPED_OPTIONS.has(name.toLowerCase()));
		stanzas.add(
			[
				'Types: deb-src',
				`URIs: ${source.uris.join(' ')}`,
				`Suites: ${suites.join(' ')}`,
				`Components: ${components.join(' ')}`,
				...options.map(([name, value]) => `${name}: ${value}`),
				'',
			].join('\n'),
		);
	}
	return [...stanzas].join('\n');
}

/** @param {string} text */
function splitWords(text) {
	return text.split(/\s+/).filter((word) => word !== '');
}

/** @param {string} text */
function capitalizeWords(text) {
	return text.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}
