// Empty on purpose: see meson.build.
