# Gathers the manifests under plugins/ (built here or not) into share/lathe/known-targets.yaml, one YAML document each, so that the
# program can tell a target that is not installed from one that does not exist.
# As a script: cmake -DOUTPUT=file "-DMANIFESTS=a;b" -P LatheKnownTargets.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  set(gathered "# Targets of plugins that belong to this release, installed or not. Written by the build.\n")
  foreach(manifest ${MANIFESTS})
    file(READ ${manifest} text)
    string(APPEND gathered "---\n${text}")
  endforeach()
  file(WRITE ${OUTPUT} "${gathered}")
  return()
endif()

file(GLOB _lathe_manifests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/plugins/*/*.plugin.yaml)
set(_lathe_known ${PROJECT_BINARY_DIR}/share/lathe/known-targets.yaml)
add_custom_command(OUTPUT ${_lathe_known}
  COMMAND ${CMAKE_COMMAND} -DOUTPUT=${_lathe_known} "-DMANIFESTS=${_lathe_manifests}" -P ${PROJECT_SOURCE_DIR}/cmake/LatheKnownTargets.cmake
  DEPENDS ${_lathe_manifests} ${PROJECT_SOURCE_DIR}/cmake/LatheKnownTargets.cmake VERBATIM)
add_custom_target(lathe_known_targets ALL DEPENDS ${_lathe_known})
install(FILES ${_lathe_known} DESTINATION share/lathe)
