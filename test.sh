#!/usr/bin/env bash
# Builds everything and runs every test. Extra arguments go to ctest: ./test.sh -R golden
. "$(dirname "$0")/scripts/prepare.sh"
install_packages "${build_packages[@]}" "${test_packages[@]}"
configure_and_build
cd "$build"
exec ctest --output-on-failure -j "$jobs" "$@"
