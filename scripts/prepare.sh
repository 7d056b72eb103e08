# Sourced by demo.sh, test.sh and .ci/run: installs what is missing (Debian 12), configures and builds. Every step is skipped when
# its work is done already.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${LATHE_BUILD:-$root/build}
jobs=$(nproc)

build_packages=(
  g++ cmake ninja-build clang-19 llvm-19 llvm-19-dev lld-19 liblld-19-dev # compilers; LLVM and its linker as libraries
  libflatbuffers-dev flatbuffers-compiler                               # .tflite's container
  libonnx-dev libprotobuf-dev protobuf-compiler                         # ONNX's message classes
  libboost-dev libboost-filesystem-dev libyaml-cpp-dev libspdlog-dev    # Boost.DLL, pipelines and manifests, logs
  libcli11-dev nlohmann-json3-dev libssl-dev libpng-dev libjpeg-dev zlib1g-dev libzstd-dev # command line, JSON, hashes, pictures, archives
  libpugixml-dev                                                       # XML of OpenVINO models
  libxxhash-dev                                                        # checksums of HEF files
  libc6-dev-arm64-cross libgcc-12-dev-arm64-cross libstdc++-12-dev-arm64-cross # start-up objects and C library for --emit executable
  doctest-dev python3                                                   # CMake looks for both even where no test is built
  libc6-dev-riscv64-cross libgcc-12-dev-riscv64-cross libstdc++-12-dev-riscv64-cross
)
test_packages=(qemu-user-static clang-format-14 clang-14 llvm-14-dev python3 python3-numpy python3-onnx binutils ccache strace)

# install_packages NAME...: those that are not installed, through apt, with sudo when not root.
install_packages() {
  local missing=()
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "These Debian packages are missing and sudo is not here to install them: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "Installing Debian packages: ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
  "${apt[@]}" install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && return 0
  "${apt[@]}" update -qq
  "${apt[@]}" install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Where ccache is there, a checkout elsewhere finds again what was compiled before.
prefer_ccache() {
  if command -v ccache >/dev/null; then
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
  fi
}

# configure_and_build [TARGET...]: into $build; CMake runs again only when it has to.
configure_and_build() {
  prefer_ccache
  [ -f "$build/build.ninja" ] || cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release
  cmake --build "$build" -j "$jobs" ${1:+--target "$@"}
}
