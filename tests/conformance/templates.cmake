# cmake -DBUILD=build-tree -DWORK=empty-folder -DGENERATOR=Ninja -DCXX=compiler -P templates.cmake
# What a vendor does: installs Lathe, begins a plugin of each kind, builds it from the installed SDK alone, has it checked and uses it.
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(ENV{XDG_DATA_HOME} ${WORK}/none)
set(ENV{LATHE_PLUGIN_PATH} "")

# Runs a command in WORK; its exit code must be `expected`. Sets `output` to what it wrote.
function(run expected)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${WORK} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT code EQUAL expected)
    message(FATAL_ERROR "${ARGN}\nexit code ${code}, expected ${expected}\n${out}\n${err}")
  endif()
  set(output "${out}${err}" PARENT_SCOPE)
endfunction()

run(0 ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/lathe)
set(lathe ${WORK}/lathe/bin/lathe)

foreach(kind backend frontend pass)
  run(0 ${lathe} plugin new --kind ${kind} --name my_${kind})
  run(0 ${CMAKE_COMMAND} -S my_${kind} -B ${kind} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_PREFIX_PATH=${WORK}/lathe
    "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror")
  run(0 ${CMAKE_COMMAND} --build ${kind})
  run(0 ${lathe} plugin check ${kind})
  message(STATUS "my_${kind}: ${output}")
  run(0 grep -cvE "^ *(//.*)?$" my_${kind}/my_${kind}.cpp)
  string(STRIP "${output}" count)
  if(NOT count LESS 150)
    message(FATAL_ERROR "the template of a ${kind} has ${count} lines of code; it should stay below 150")
  endif()
endforeach()
run(0 ${lathe} plugin check backend)
if(NOT output MATCHES "compiles convolution_strided_padded for CPU float32[^\n]*agrees with the reference" OR
   NOT output MATCHES "compiles mixed_branches for CPU float32: 3 nodes of 6")
  message(FATAL_ERROR "the backend's artifacts were not compared:\n${output}")
endif()
run(0 ${lathe} plugin check pass)
if(NOT output MATCHES "my-pass-merge-relu changed 1 graph")
  message(FATAL_ERROR "the pass changed nothing:\n${output}")
endif()

# Without the plugin its target does not exist; with it the model is compiled, or refused node by node.
file(WRITE ${WORK}/relu.tiny "tiny 1\ninput x 2 3\nrelu y x\noutput y\n")
file(WRITE ${WORK}/mixed.tiny "tiny 1\ninput x 2 3\nsigmoid s x\nrelu y s\noutput y\n")
run(2 ${lathe} compile relu.tiny --plugin frontend --target my_backend -o out)
run(1 ${lathe} compile relu.tiny --plugin backend --target my_backend -o out)
run(0 ${lathe} compile relu.tiny --plugin frontend --plugin backend --target my_backend -o out)
run(3 ${lathe} compile mixed.tiny --plugin frontend --plugin backend --target my_backend -o out)
if(NOT output MATCHES "sigmoid_line_3" OR NOT output MATCHES "only Conv and Relu are compiled")
  message(FATAL_ERROR "the refusal does not name the node and the reason:\n${output}")
endif()
run(1 ${lathe} compile mixed.tiny --plugin frontend --plugin backend --target my_backend --option my_frontend.largest=2 -o out)
