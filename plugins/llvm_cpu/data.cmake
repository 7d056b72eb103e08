# The plugin's data folder: per processor family the kernels and the driver as bitcode, and what the C library of that family contributes
# to artifacts, so that compiling a model needs no compiler, linker or cross package on the machine.
#
#   llvm_cpu/kernels-<family>.bc  driver-<family>.bc      the driver as object code too: it is the same in every artifact
#            driver-<family>.o
#            kernels-x86_64-v3.bc  -v4.bc                  those of the kernels whose tiles depend on the width of vectors
#   llvm_cpu/<family>/  libc.so.6 libm.so.6 and the loader   linked against; and run with, under qemu-user, together with
#                       runner                               the program that runs an artifact for another processor
#                       crt*.o lib*.a program.o              what a static executable is made of (x86_64, aarch64)
#                       lathe_runtime.a                      the runtime, for executables and static libraries
#
# From Debian: libc6-dev, libgcc-12-dev and their -arm64-cross, -riscv64-cross packages. A family whose packages are absent is left out.
set(data ${LATHE_PLUGIN_OUTPUT_DIRECTORY})
if(NOT data)
  set(data ${CMAKE_CURRENT_BINARY_DIR})
endif()
set(data ${data}/llvm_cpu)
set(data_files)
# The runtime's sources: in this tree, or as the SDK installs them.
if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/../../sdk/runtime/source)
  set(runtime_source ${CMAKE_CURRENT_SOURCE_DIR}/../../sdk/runtime/source)
else()
  cmake_path(SET runtime_source NORMALIZE ${Lathe_DIR}/../../../share/lathe/runtime)
endif()
get_target_property(runtime_include Lathe::lathe_runtime_static INTERFACE_INCLUDE_DIRECTORIES)
get_target_property(kernels_include Lathe::kernels INTERFACE_INCLUDE_DIRECTORIES)
# The headers of the C++ library are the build machine's own for every family: only what is freestanding in them is used.
set(cxx_include)
foreach(folder ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
  if(folder MATCHES "/c\\+\\+")
    list(APPEND cxx_include -isystem ${folder})
  endif()
endforeach()
file(GLOB_RECURSE runtime_sources CONFIGURE_DEPENDS ${runtime_source}/*.cpp)

# Compiles one C++ file for a family.
function(lathe_cross_compile triple source output)
  cmake_path(GET output FILENAME leaf)
  set(depfile ${CMAKE_CURRENT_BINARY_DIR}/${triple}.${leaf}.d)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${LATHE_CLANG} --target=${triple}
      -std=c++20 -O2 -fPIC -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector
      -fno-asynchronous-unwind-tables -fno-math-errno -fvisibility=hidden -fno-ident -ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=.
      -Wall -Wextra -nostdinc++ ${cxx_include} ${family_include} "-I$<JOIN:${runtime_include},;-I>" "-I$<JOIN:${kernels_include},;-I>"
      -I${CMAKE_CURRENT_SOURCE_DIR} ${ARGN} -MMD -MF ${depfile} -c ${source} -o ${output}
    DEPENDS ${source} DEPFILE ${depfile} COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Compiling ${source} for ${triple}")
endfunction()

# Copies the named files, found in the given folders, into the family's folder; fails when one is missing.
function(lathe_copy_data family folders)
  foreach(name ${ARGN})
    set(found)
    foreach(folder ${folders})
      set(candidates ${folder}/${name})
      if(name STREQUAL "libm.a") # on x86-64 a linker script beside the library itself
        file(GLOB versioned ${folder}/libm-2.*.a)
        list(PREPEND candidates ${versioned})
      endif()
      foreach(candidate ${candidates})
        if(NOT found AND EXISTS ${candidate})
          file(REAL_PATH ${candidate} found)
        endif()
      endforeach()
    endforeach()
    if(NOT found)
      message(FATAL_ERROR "llvm_cpu: ${name} for ${family} is in none of ${folders}")
    endif()
    file(COPY_FILE ${found} ${data}/${family}/${name} ONLY_IF_DIFFERENT)
  endforeach()
endfunction()

set(LATHE_LLVM_CPU_FAMILIES x86_64 aarch64 riscv64 CACHE STRING "Processor families that models can be compiled for")
foreach(family ${LATHE_LLVM_CPU_FAMILIES})
  set(triple ${family}-linux-gnu)
  set(folders /usr/${triple}/lib /lib/${triple} /usr/lib/${triple})
  set(loader_x86_64 ld-linux-x86-64.so.2)
  set(loader_aarch64 ld-linux-aarch64.so.1)
  set(loader_riscv64 ld-linux-riscv64-lp64d.so.1)
  set(libc)
  set(start)
  foreach(folder ${folders})
    if(NOT libc AND EXISTS ${folder}/libc.so.6)
      set(libc ${folder})
    endif()
  endforeach()
  foreach(folder ${folders})
    if(EXISTS ${folder}/crt1.o)
      set(start ${folder})
    endif()
  endforeach()
  if(NOT libc OR NOT start)
    message(STATUS "llvm_cpu: no C library for ${family} (Debian: libc6-${family}-cross); that family is left out")
    continue()
  endif()
  set(family_include)
  if(family STREQUAL aarch64)
    set(family_include -mno-outline-atomics) # else atomics call libgcc
  endif()
  if(EXISTS /usr/${triple}/include)
    list(APPEND family_include -isystem /usr/${triple}/include)
  endif()
  set(objects ${CMAKE_CURRENT_BINARY_DIR}/${family})
  file(MAKE_DIRECTORY ${data}/${family} ${objects})
  lathe_copy_data(${family} "${folders}" libc.so.6 libm.so.6 ${loader_${family}})

  lathe_cross_compile(${triple} ${CMAKE_CURRENT_SOURCE_DIR}/bitcode/driver.cpp ${data}/driver-${family}.bc -emit-llvm)
  lathe_cross_compile(${triple} ${CMAKE_CURRENT_SOURCE_DIR}/bitcode/driver.cpp ${data}/driver-${family}.o)
  list(APPEND data_files ${data}/driver-${family}.bc ${data}/driver-${family}.o)
  # Simplified, but neither vectorised nor unrolled: that is for the processor that a model is compiled for.
  lathe_cross_compile(${triple} ${CMAKE_CURRENT_SOURCE_DIR}/bitcode/kernels.cpp ${data}/kernels-${family}.bc -emit-llvm -fno-vectorize
    -fno-slp-vectorize -fno-unroll-loops -DLATHE_BITCODE)
  list(APPEND data_files ${data}/kernels-${family}.bc)
  # Kernels whose tiles are written for a vector width, once more for wider ones.
  set(levels)
  if(family STREQUAL x86_64)
    set(levels v3 v4)
  endif()
  foreach(level ${levels})
    lathe_cross_compile(${triple} ${CMAKE_CURRENT_SOURCE_DIR}/bitcode/kernels.cpp ${data}/kernels-${family}-${level}.bc -emit-llvm -fno-vectorize
      -fno-slp-vectorize -fno-unroll-loops -DLATHE_BITCODE -DLATHE_TILED_KERNELS -march=x86-64-${level})
    list(APPEND data_files ${data}/kernels-${family}-${level}.bc)
  endforeach()

  set(runtime_objects)
  foreach(source ${runtime_sources})
    cmake_path(GET source STEM stem)
    lathe_cross_compile(${triple} ${source} ${objects}/${stem}.o)
    list(APPEND runtime_objects ${objects}/${stem}.o)
  endforeach()
  add_custom_command(OUTPUT ${data}/${family}/liblathe_runtime.a
    COMMAND ${CMAKE_COMMAND} -E rm -f ${data}/${family}/liblathe_runtime.a
    COMMAND ${LATHE_LLVM_AR} rcsD ${data}/${family}/liblathe_runtime.a ${runtime_objects} DEPENDS ${runtime_objects} VERBATIM)
  list(APPEND data_files ${data}/${family}/liblathe_runtime.a)

  # The runner: a dynamic program that is started through the family's own loader, under an emulator.
  lathe_cross_compile(${triple} ${CMAKE_CURRENT_SOURCE_DIR}/programs/runner.cpp ${objects}/runner.o)
  add_custom_command(OUTPUT ${data}/${family}/runner
    COMMAND ${LATHE_LLD} -o ${data}/${family}/runner -dynamic-linker /lib/${loader_${family}} --build-id=none -z now
      ${start}/crt1.o ${start}/crti.o ${objects}/runner.o ${data}/${family}/liblathe_runtime.a ${data}/${family}/libc.so.6 ${start}/crtn.o
    DEPENDS ${objects}/runner.o ${data}/${family}/liblathe_runtime.a VERBATIM)
  list(APPEND data_files ${data}/${family}/runner)

  # What static executables are made of.
  set(gcc /usr/lib/gcc-cross/${triple}/12 /usr/lib/gcc/${triple}/12)
  set(gcc_found)
  foreach(folder ${gcc})
    if(EXISTS ${folder}/libgcc.a)
      set(gcc_found ${folder})
    endif()
  endforeach()
  if(gcc_found)
    lathe_copy_data(${family} "${folders};${gcc}" crt1.o crti.o crtn.o libc.a libm.a crtbeginT.o crtend.o libgcc.a libgcc_eh.a)
    lathe_cross_compile(${triple} ${CMAKE_CURRENT_SOURCE_DIR}/programs/program.cpp ${data}/${family}/program.o)
    list(APPEND data_files ${data}/${family}/program.o)
  endif()
endforeach()
add_custom_target(lathe_llvm_cpu_data ALL DEPENDS ${data_files})
install(DIRECTORY ${data} DESTINATION lib/lathe/plugins PATTERN "runner" EXCLUDE)
install(DIRECTORY ${data} DESTINATION lib/lathe/plugins USE_SOURCE_PERMISSIONS FILES_MATCHING PATTERN "runner")
add_dependencies(lathe_plugin_llvm_cpu lathe_llvm_cpu_data)
