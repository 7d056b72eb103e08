# lathe_add_plugin(NAME SOURCES file... [LIBRARIES target...] [MANIFEST file] [PIPELINE file] [DATA file...] [KERNELS header])
#
# Builds the plugin NAME: the module NAME.so (target lathe_plugin_NAME) beside its manifest NAME.plugin.yaml, with the link line that
# keeps plugins apart, and checks what it exports. The same file serves in Lathe's own tree and from the installed package.
#   LIBRARIES  what it links; their symbols are hidden in it when they are static
#   MANIFEST   default NAME.plugin.yaml in the current source folder
#   PIPELINE   the target's default pipeline; becomes NAME.pipeline.yaml beside the library
#   DATA       files it reads at run time (made by the build or not); they lie in the folder NAME/ beside the library
#   KERNELS    a header with kernels of the plugin's own operators and their list, see lathe/kernels/operator_table.hpp: with clang at hand it
#              becomes NAME/kernels-<family>.bc for every processor family whose C headers are installed, for targets that generate code
# Everything goes to LATHE_PLUGIN_OUTPUT_DIRECTORY when that is set (Lathe's tree), else to the current binary folder, and is
# installed to lib/lathe/plugins.

function(lathe_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 plugin "" "MANIFEST;PIPELINE;KERNELS" "SOURCES;LIBRARIES;DATA")
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
    message(FATAL_ERROR "lathe_add_plugin: '${name}' is no plugin name; use lower case letters, digits and '_'")
  endif()
  if(plugin_UNPARSED_ARGUMENTS OR NOT plugin_SOURCES)
    message(FATAL_ERROR "lathe_add_plugin(${name}): needs SOURCES and takes LIBRARIES, MANIFEST, PIPELINE, DATA, KERNELS; found '${plugin_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT plugin_MANIFEST)
    set(plugin_MANIFEST ${name}.plugin.yaml)
  endif()
  cmake_path(ABSOLUTE_PATH plugin_MANIFEST BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set(folder ${LATHE_PLUGIN_OUTPUT_DIRECTORY})
  if(NOT folder)
    set(folder ${CMAKE_CURRENT_BINARY_DIR})
  endif()

  set(target lathe_plugin_${name})
  add_library(${target} MODULE ${plugin_SOURCES})
  target_link_libraries(${target} PRIVATE Lathe::plugin_sdk ${plugin_LIBRARIES})
  set(exports ${CMAKE_CURRENT_BINARY_DIR}/${name}.map)
  file(CONFIGURE OUTPUT ${exports} CONTENT "{ global: lathe_plugin_query; local: *; };\n")
  if(NOT CMAKE_CXX_STANDARD)
    set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
  endif()
  set_target_properties(${target} PROPERTIES
    PREFIX "" SUFFIX .so OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${folder}
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "\$ORIGIN" LINK_DEPENDS ${exports})
  # RTLD_LOCAL alone does not keep two plugins apart: what the program already links interposes, and GNU-unique symbols are shared.
  # A version script that exports one symbol, and hidden static libraries, do.
  target_link_options(${target} PRIVATE -Wl,--exclude-libs,ALL -Wl,--version-script=${exports})
  # clang leaves the sanitizer's own symbols to the program, so a forgotten symbol cannot be told from them.
  if(NOT (CMAKE_CXX_COMPILER_ID MATCHES Clang AND (LATHE_SANITIZE OR CMAKE_CXX_FLAGS MATCHES "-fsanitize=")))
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  add_custom_command(TARGET ${target} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIBRARY=$<TARGET_FILE:${target}> -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/LatheCheckExports.cmake
    VERBATIM)

  set(copied)
  _lathe_copy_beside(${plugin_MANIFEST} ${folder}/${name}.plugin.yaml)
  install(TARGETS ${target} LIBRARY DESTINATION lib/lathe/plugins)
  install(FILES ${plugin_MANIFEST} DESTINATION lib/lathe/plugins RENAME ${name}.plugin.yaml)
  if(plugin_PIPELINE)
    cmake_path(ABSOLUTE_PATH plugin_PIPELINE BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    _lathe_copy_beside(${plugin_PIPELINE} ${folder}/${name}.pipeline.yaml)
    install(FILES ${plugin_PIPELINE} DESTINATION lib/lathe/plugins RENAME ${name}.pipeline.yaml)
  endif()
  foreach(file ${plugin_DATA})
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    cmake_path(GET file FILENAME leaf)
    _lathe_copy_beside(${file} ${folder}/${name}/${leaf})
    install(FILES ${file} DESTINATION lib/lathe/plugins/${name})
  endforeach()
  if(plugin_KERNELS)
    target_link_libraries(${target} PRIVATE Lathe::kernels)
    cmake_path(ABSOLUTE_PATH plugin_KERNELS BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    _lathe_kernel_bitcode(${name} ${plugin_KERNELS} ${folder}/${name})
  endif()
  add_custom_target(${target}_files ALL DEPENDS ${copied})
  add_dependencies(${target} ${target}_files)
endfunction()

macro(_lathe_copy_beside from to)
  if(NOT "${from}" STREQUAL "${to}")
    add_custom_command(OUTPUT ${to} COMMAND ${CMAKE_COMMAND} -E copy ${from} ${to} DEPENDS ${from} VERBATIM)
    list(APPEND copied ${to})
  endif()
endmacro()

# kernels-<family>.bc from a header of kernels; appends them to `copied`.
macro(_lathe_kernel_bitcode name header folder)
  # Not newer than what reads it: the LLVM that Lathe's own targets are built with.
  find_program(LATHE_KERNEL_CLANG NAMES clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14 clang++)
  if(NOT LATHE_KERNEL_CLANG)
    message(STATUS "lathe_add_plugin(${name}): no clang, so no bitcode of its kernels; targets that generate code will not take its operators")
  else()
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}_kernels.cpp
      CONTENT "#include \"${header}\"\n#include \"lathe/kernels/operator_table.hpp\"\nLATHE_KERNEL_TABLE(LATHE_OPERATOR_KERNELS)\n")
    get_target_property(kernels_include Lathe::kernels INTERFACE_INCLUDE_DIRECTORIES)
    # The headers of the C++ library are the build machine's own for every family: only what is freestanding in them is used.
    set(cxx_include)
    foreach(directory ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
      if(directory MATCHES "/c\\+\\+")
        list(APPEND cxx_include -isystem ${directory})
      endif()
    endforeach()
    foreach(family x86_64 aarch64 riscv64)
      set(family_include)
      if(EXISTS /usr/${family}-linux-gnu/include)
        set(family_include -isystem /usr/${family}-linux-gnu/include)
      elseif(NOT CMAKE_SYSTEM_PROCESSOR STREQUAL family)
        continue()
      endif()
      set(bitcode ${folder}/kernels-${family}.bc)
      add_custom_command(OUTPUT ${bitcode}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
        COMMAND ${LATHE_KERNEL_CLANG} --target=${family}-linux-gnu -std=c++20 -O2 -fPIC -fno-exceptions -fno-rtti -fno-threadsafe-statics
          -fno-stack-protector -fno-asynchronous-unwind-tables -fno-math-errno -fvisibility=hidden -fno-ident -fno-vectorize -fno-slp-vectorize
          -fno-unroll-loops -DLATHE_BITCODE -ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}=. -nostdinc++ ${cxx_include} ${family_include}
          "-I$<JOIN:${kernels_include},;-I>" -emit-llvm -MMD -MF ${CMAKE_CURRENT_BINARY_DIR}/${name}-${family}.d
          -c ${CMAKE_CURRENT_BINARY_DIR}/${name}_kernels.cpp -o ${bitcode}
        DEPENDS ${header} ${CMAKE_CURRENT_BINARY_DIR}/${name}_kernels.cpp DEPFILE ${CMAKE_CURRENT_BINARY_DIR}/${name}-${family}.d
        COMMAND_EXPAND_LISTS VERBATIM COMMENT "Kernels of ${name} as bitcode for ${family}")
      list(APPEND copied ${bitcode})
      install(FILES ${bitcode} DESTINATION lib/lathe/plugins/${name})
    endforeach()
  endif()
endmacro()
