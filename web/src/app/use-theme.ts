/** Light or dark: the system's setting, unless the viewer has chosen. */
import { ref, watchEffect, type Ref } from 'vue';

/** `system` follows prefers-color-scheme. */
export type ThemeChoice = 'system' | 'light' | 'dark';

const STORAGE_KEY = 'spillway.theme';
const choice = ref<ThemeChoice>(readChoice());

watchEffect(() => {
	document.documentElement.dataset['theme'] = choice.value;
	try {
		localStorage.setItem(STORAGE_KEY, choice.value);
	} catch {
		// Storage is off (private window): the choice is kept as long as the page.
	}
});

/** Shared by all components, and kept for the next visit. */
export function useTheme(): Ref<ThemeChoice> {
	return choice;
}

function readChoice(): ThemeChoice {
	try {
		const stored = localStorage.getItem(STORAGE_KEY);
		return stored === 'light' || stored === 'dark' ? stored : 'system';
	} catch {
		// Storage is off.
		return 'system';
	}
}
